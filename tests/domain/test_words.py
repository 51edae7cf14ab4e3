"""Words: how a text is cut, and which beginnings of them a query asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.text import fold
from domain.words import MAX_WORD, terms, words
from tests.domain.values import texts

MIXED = st.text("aÉß 订酒店カ゛。ท สé́_-.'😀👍１５%\n", max_size=30) | texts()

WORDS = {
    "": set(),
    "Hello, World!": {"hello", "world"},
    "it's": {"it", "s"},
    "3.14": {"3", "14"},
    "snake_case-name": {"snake", "case", "name"},
    "Straße STRASSE": {"strasse"},
    "Ｆｕｌｌ １５": {"full", "15"},
    "e\u0301te\u0301 \u00e9t\u00e9": {"été"},
    "订酒店": {"订酒", "酒店", "店"},
    "订": {"订"},
    "订iPhone15店": {"订", "iphone15", "店"},
    "订，店": {"订", "店"},
    "カード": {"カー", "ード", "ド"},
    "ไทย": {"ไท", "ทย", "ย"},
    "안녕 하세요": {"안녕", "하세요"},
    "great😀👍": {"great", "😀", "👍"},
    "€20 + $3": {"20", "3"},
    "?! ... _": set(),
    "x" * 100: {"x" * MAX_WORD},
}


@pytest.mark.parametrize("text", WORDS, ids=ascii)
def test_a_text_is_cut_into_words(text: str) -> None:
    """Folded; in unspaced scripts at every character, with its neighbour."""
    assert words([text]) == WORDS[text]


TERMS = {
    "": (),
    "?! _": (),
    "Hello hello WORLD": ("hello", "world"),
    "b a": ("b", "a"),
    "it's": ("it", "s"),
    "订酒店": ("订酒", "酒店"),
    "店": ("店",),
    "订 店": ("订", "店"),
    "iPhone订": ("iphone", "订"),
    "😀👍": ("😀", "👍"),
    "x" * 100: ("x" * MAX_WORD,),
}


@pytest.mark.parametrize("query", TERMS, ids=ascii)
def test_a_query_asks_for_beginnings_of_words(query: str) -> None:
    """Each once, in the order in which they stand; of unspaced scripts, pairs of neighbours."""
    assert terms(query) == TERMS[query]


def test_texts_that_are_none_have_no_words() -> None:
    """Those of several are taken together."""
    assert words([None, "a b", None, "b c"]) == {"a", "b", "c"}
    assert words([]) == words([None]) == set()


def found(query: str, text: str) -> bool:
    """Whether a search finds the text: the rule itself."""
    held = words([text])
    return all(any(word.startswith(term) for word in held) for term in terms(query))


@given(MIXED)
def test_a_text_is_found_by_itself(text: str) -> None:
    """Also folded, either of them."""
    assert found(text, text)
    assert found(fold(text), text)
    assert found(text, fold(text))


@given(MIXED, st.data())
def test_a_text_is_found_by_each_beginning_of_each_of_its_words(
    text: str, data: st.DataObject
) -> None:
    """Whichever is taken, of whichever length."""
    held = sorted(words([text]))
    if held:
        word = data.draw(st.sampled_from(held))
        prefix = word[: data.draw(st.integers(1, len(word)))]
        assert found(prefix, text)


@given(MIXED, MIXED, MIXED)
def test_what_stands_around_a_text_hides_nothing_of_it(text: str, before: str, after: str) -> None:
    """Set apart by spaces, it is found in whatever it stands."""
    assert found(text, f"{before} {text} {after}")


@given(MIXED)
def test_words_are_short_and_hold_no_blank(text: str) -> None:
    """So that any store can keep them in an index, one beside the other."""
    for word in words([text]):
        assert 1 <= len(word) <= MAX_WORD
        assert not any(sign.isspace() for sign in word)


@given(MIXED)
def test_every_term_is_a_word_or_begins_one(text: str) -> None:
    """A query is cut as the text is."""
    held = words([text])
    assert all(any(word.startswith(term) for word in held) for term in terms(text))
