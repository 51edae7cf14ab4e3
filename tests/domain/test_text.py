"""Text: limits, what no store keeps, and folding."""

import sys
from collections.abc import Iterator, Sequence
from enum import Enum, StrEnum
from functools import cache
from unicodedata import combining, normalize

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.rules import identifier, text
from domain.text import fold, text_fault
from tests.domain.values import texts

SURROGATES = st.characters(categories=["Cs"])


def every_character() -> Iterator[str]:
    """All code points but the surrogates."""
    for code in range(sys.maxunicode + 1):
        if not 0xD800 <= code <= 0xDFFF:
            yield chr(code)


@cache
def changed() -> Sequence[str]:
    """Those that folding changes."""
    return [sign for sign in every_character() if fold(sign) != sign]


MARKS = st.deferred(
    lambda: st.sampled_from([sign for sign in every_character() if combining(sign)])
)
JAMO = st.characters(min_codepoint=0x1100, max_codepoint=0x11FF)
FOLDING = st.text(
    st.deferred(lambda: st.sampled_from(changed())) | MARKS | JAMO | st.characters(),
    max_size=6,
).filter(lambda value: text_fault(value) is None)


@given(texts(), texts(), SURROGATES | st.just("\0"))
def test_nul_and_lone_surrogates_are_refused_wherever_they_stand(
    before: str, after: str, bad: str
) -> None:
    """They are what some store would lose or choke on."""
    assert text_fault(before + bad + after)
    with pytest.raises(ValueError, match="holds a"):
        text(1000)(before + bad + after)


@given(texts())
def test_every_other_text_is_kept_as_it_is(value: str) -> None:
    """No trimming, no normalization."""
    assert text(50)(value) == value


@pytest.mark.parametrize("sign", ["a", "é", "\U0001f600", "\u0301"])
def test_lengths_count_code_points_up_to_and_with_the_limit(sign: str) -> None:
    """One more than the limit, or one less than the minimum, is refused."""
    limited = text(255, min_length=2)
    assert len(limited(sign * 2)) == 2
    assert len(limited(sign * 255)) == 255
    for length in (0, 1, 256):
        with pytest.raises(ValueError, match="2 to 255 characters"):
            limited(sign * length)


@pytest.mark.parametrize("value", [None, 1, b"text", ["a"], object()])
def test_what_is_not_text_is_refused(value: object) -> None:
    """Nothing is turned into text."""
    with pytest.raises(ValueError, match="must be text"):
        text(10)(value)


class Mixed(str, Enum):  # noqa: UP042  # the odd kind is the point
    """An enumeration whose `str()` isn't its text."""

    ONE = "one"


class Plain(StrEnum):
    """An enumeration whose `str()` is its text."""

    ONE = "one"


@pytest.mark.parametrize("member", [Mixed.ONE, Plain.ONE])
def test_text_of_a_subclass_is_kept_as_plain_text(member: str) -> None:
    """What is stored is what comes back, type included."""
    kept = text(10)(member)
    assert (type(kept), kept) == (str, "one")


@given(st.text(st.characters(categories=["Cc"]), min_size=1, max_size=1), texts(), texts())
def test_an_identifier_holds_no_control_character(control: str, before: str, after: str) -> None:
    """C0, DEL and C1 alike."""
    with pytest.raises(ValueError, match="holds a"):
        identifier(256)(before + control + after)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Straße", "STRASSE"),
        ("STRAẞE", "strasse"),
        ("ﬁn", "FIN"),
        ("ſ", "s"),
        ("\N{KELVIN SIGN}", "k"),
        ("\N{ANGSTROM SIGN}", "å"),
        ("ΑΣ", "ας"),
        ("ΑΣ", "ασ"),
        ("ＡＢＣ１２３", "abc123"),
        ("ｶﾞ", "ガ"),
        ("é", "e\u0301"),
        ("É", "e\u0301"),
        ("한", "\u1112\u1161\u11ab"),
        ("q\u0307\u0323", "q\u0323\u0307"),
        ("İ", "i\u0307"),
        ("①", "1"),
        ("x\N{NO-BREAK SPACE}y", "X Y"),
        ("Ǆ", "ǆ"),
        ("ǅ", "dž"),
        ("ᾳ", "ΑΙ"),
        ("Ꭰ", "ꭰ"),
    ],
)
def test_hard_cases_fold_alike(one: str, other: str) -> None:
    """Case, compatibility forms, composition and the order of marks make no difference."""
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("ı", "i"), ("ø", "o"), ("é", "e"), ("İ", "i")])
def test_different_letters_stay_different(one: str, other: str) -> None:
    """Folding removes no accent and merges no letters."""
    assert fold(one) != fold(other)


def test_folding_any_character_twice_changes_nothing_more() -> None:
    """All of Unicode: stores compare a folded operand with folded text."""
    assert [sign for sign in changed() if fold(fold(sign)) != fold(sign)] == []


def test_every_character_folds_as_its_other_cases_and_forms_do() -> None:
    """All of Unicode, for full case folding and the four normal forms."""
    differing = [
        sign
        for sign in every_character()
        if fold(sign.casefold()) != fold(sign)
        or any(fold(normalize(form, sign)) != fold(sign) for form in ("NFC", "NFD", "NFKC", "NFKD"))
    ]
    assert differing == []


@given(FOLDING)
@example("\u03b1\u0345\u0301")
@example("ΐ\u0323")
def test_folding_twice_changes_nothing_more(value: str) -> None:
    """Also where neighbours combine."""
    assert fold(fold(value)) == fold(value)


@given(FOLDING, st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_the_form_of_a_text_makes_no_difference(value: str, form: str) -> None:
    """Composed or not, compatible or not."""
    assert fold(normalize(form, value)) == fold(value)  # type: ignore[arg-type]  # one of the four


@given(FOLDING)
def test_folded_text_is_admitted_where_the_text_was(value: str) -> None:
    """Folding makes no NUL and no surrogate."""
    assert text_fault(fold(value)) is None


def test_a_folded_whole_may_differ_from_its_folded_parts() -> None:
    """A part is found by its own folded form: a mark joins the letter before it."""
    assert fold("e" + "\u0301") != fold("e") + fold("\u0301")
    assert fold("e") not in fold("e\u0301")
