"""Patterns: the subset, its meaning, and its cost."""

import re
import warnings

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ports.criteria import Pattern
from ports.criteria.automaton import Automaton
from ports.errors import InvalidQueryError

PIECES = st.sampled_from(
    [
        *"aabbc01_ -.^$|?*+()[]{}\\,&~é:=#",
        *("\\d", "\\w", "\\s", "\\D", "\\W", "\\S", "\\n", "\\.", "\\-", "\\\\"),
        *("(?:", "(?=", "(?i)", "[a-c]", "[^a]", "[\\d-]", "[\\w.-]", "[&&]", "[^\\]^-]"),
        *("{2}", "{0,2}", "{1,}", "{,2}", "{٣}", "*?", "++", "\\b", "\\1"),
    ]
)
PATTERNS = st.lists(PIECES, min_size=1, max_size=10).map("".join)
# No line feed at the end: there, Python's `$` isn't the end of the text.
TEXTS = st.text("aabbc01_ -.&~é٣\t\\[]", max_size=10) | st.text(max_size=5).map(
    lambda text: text + "a"
)


def parsed(source: str) -> Pattern | None:
    """The pattern, if it is in the subset."""
    try:
        return Pattern.parse(source)
    except InvalidQueryError:
        return None


@given(PATTERNS, st.lists(TEXTS, min_size=1, max_size=10))
@example("[a-c]\\n|b$", ["x\nb", "a\n", "bc"])
@example("(?:^a|b$)", ["ca", "a", "cb"])
@example("x{0,2}$|^", ["", "y"])
@example("(a\\^)+b", ["a^a^b", "ab"])
@example("(?:[^a]b){2}", ["cbcb", "abab"])
def test_an_accepted_pattern_means_what_it_means_to_python(source: str, texts: list[str]) -> None:
    """With classes in ASCII; as written, and as rendered."""
    pattern = parsed(source)
    if pattern is None:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of what Python may make of && one day
        written = re.compile(source, re.ASCII)
    rendered = re.compile(pattern.rendered(r"\Z"), re.ASCII)
    for text in texts:
        expected = written.search(text) is not None
        assert pattern.found_in(text) is expected
        assert (rendered.search(text) is not None) is expected


@given(st.text(max_size=20) | PATTERNS)
def test_a_pattern_is_accepted_or_refused_and_nothing_else(source: str) -> None:
    """And an accepted one says what it was."""
    pattern = parsed(source)
    if pattern is not None:
        assert (pattern.source, pattern) == (source, Pattern.parse(source))
        assert isinstance(pattern.found_in(source), bool)


@pytest.mark.parametrize(
    "source",
    [
        *("", "a|", "|a", "()", "a||b", "(a", "a)", "[a", "[]", "[^]", "\\", "[\\"),
        *("*a", "a**", "a*?", "a*+", "a{2}{3}", "a{2", "a{x}", "{2}", "a{3,2}", "a{65}", "a{,3}"),
        *("a{٣}", "^*", "(^a)*", "(a$){2}", "$+", "(a*)*", "(a?|b)+", "((a{2})b)*", "((a+))?"),
        *("(?=a)", "(?!a)", "(?<=a)", "(?i)a", "(?P<n>a)", "(?#c)", "(?>a)", "(?", "(?:"),
        *("\\1", "\\b", "\\B", "\\A", "\\Z", "\\z", "\\x41", "\\u0041", "\\p{L}", "\\Q", "\\0"),
        *("[b-a]", "[a-\\d]", "[\\d-a]", "[[:alpha:]]", "[a[b]", "[\\D]", "[\\b]"),
        *("a" * 257, "a\0", "\ud800", "a*b*c*", "a?" * 9, "(" * 11 + "a" + ")" * 11),
        *("(?:" + "a" * 100 + "){64}", "a{0,64}" + "(?:abcdefghijklmnopqrstuvwxyz){37}"),
    ],
)
def test_what_is_outside_the_subset_is_refused(source: str) -> None:
    """By a message that doesn't repeat it."""
    with pytest.raises(InvalidQueryError, match="a pattern"):
        Pattern.parse(source)


@pytest.mark.parametrize("source", [None, 1, b"a", ["a"], re.compile("a")])
def test_a_pattern_is_text(source: object) -> None:
    """Nothing else is taken for one."""
    with pytest.raises(InvalidQueryError, match="must be text"):
        Pattern.parse(source)


@pytest.mark.parametrize(
    "source",
    [
        *("a" * 256, "a?" * 8, "a*b+", "a{64}", "a{0}", "a{2,}b*", "(" * 10 + "a" + ")" * 10),
        *(
            "(a|b)*",
            "(?:a|b)",
            "[a-]",
            "[-a]",
            "[a^]",
            "[.$|?*+(){}]",
            "[\\w.-]",
            "[a&&b]",
            "[\\s]",
        ),
        *("\\/", "\\'", "a]", "a}", "^^a$$", "a|b|c", "[^\\^]{2}", "(?:" + "a" * 15 + "){64}"),
    ],
)
def test_what_is_within_the_subset_is_accepted(source: str) -> None:
    """Up to the limits, and Python reads what is rendered without a warning."""
    pattern = Pattern.parse(source)
    found = re.compile(pattern.rendered(r"\Z")).search("ab")
    assert pattern.found_in("ab") is (found is not None)


@pytest.mark.parametrize(
    ("source", "found", "missed"),
    [
        ("^flow.*v[0-9]+$", ["flow v1", "flow, welcome v12"], ["a flow v1", "flow v", "flow\nv1"]),
        ("a.c", ["abc", "a\rc", "a\u2028c"], ["a\nc", "ac"]),
        ("^a$", ["a"], ["a\n", "\na", "ab"]),
        ("\\d", ["7"], ["٣", "７"]),
        ("\\w", ["a", "_"], ["é", "-"]),
        ("\\s", ["\t", "\v", "\f"], ["\u00a0", "\x1c", "\x85"]),
        ("^\\D\\W\\S$", ["é-é", "\n\n!"], ["1-a", "aaa"]),
        ("[^\\d\\s]", ["x"], ["1", " 2 "]),
        ("^(?:ab|c){2,3}$", ["abc", "cc", "ababab"], ["ab", "cccc", "aab"]),
        ("a{0}b", ["b", "ab"], ["a"]),
        ("[+--]", [",", "-", "+"], [".", "*"]),
        ("^$", [""], ["a", "\n"]),
        ("a^b|c$d", [], ["ab", "a\nb", "cd", "a^b"]),
        ("$", ["", "a"], []),
    ],
)
def test_meaning_by_example(source: str, found: list[str], missed: list[str]) -> None:
    """Dots, anchors and classes, where engines like to differ."""
    pattern = Pattern.parse(source)
    assert [text for text in found if not pattern.found_in(text)] == []
    assert [text for text in missed if pattern.found_in(text)] == []


class Counted(str):
    """A text that counts how often one of its characters is read."""

    reads = 0

    def __iter__(self) -> "Counted":
        self.left = iter(str(self))
        return self

    def __next__(self) -> str:
        self.reads += 1
        return next(self.left)


@pytest.mark.parametrize(
    "source",
    [
        "(?:a|ab|b)*c",
        "(?:a|a)*(?:a|a)*c",
        "a*a*c",
        "a{0,64}a{0,64}a{0,64}a{0,64}a{0,64}a{0,64}a*a*c",
        "(?:[ab][ab]|[ab]){32}(?:[ab]|[ab]a){32}c",
    ],
)
def test_a_catastrophic_pattern_reads_each_character_once(source: str) -> None:
    """Where a backtracking engine would still be at it next year."""
    text = Counted("ab" * 5_000 + "a" * 5_000)
    assert not Pattern.parse(source).found_in(text)
    assert text.reads == len(text) + 1
    assert Pattern.parse(source).found_in("ab" * 40 + "a" * 600 + "c")


@given(st.lists(st.text("ab", max_size=40), min_size=1, max_size=20))
def test_what_an_automaton_remembers_makes_no_difference(texts: list[str]) -> None:
    """Used again, it answers as a new one does."""
    source = "(?:a|ab)+b[ab]{3}a$"
    used = Pattern.parse(source)
    for text in texts:
        assert used.found_in(text) is Pattern.parse(source).found_in(text)


def test_what_an_automaton_remembers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """It forgets, and goes on as before."""
    monkeypatch.setattr("ports.criteria.automaton._CACHED", 3)
    pattern = Pattern.parse("[ab]a[ab]{4}c")
    automaton: Automaton = pattern._automaton
    for text, expected in [("abbabaabbabababbabb", False), ("abaabaabbbac", True)] * 3:
        assert pattern.found_in(text) is expected
        assert automaton._remembered <= 3


def test_equal_patterns_are_written_alike() -> None:
    """And can be kept in sets, as criteria are."""
    assert Pattern.parse("a+") == Pattern.parse("a+")
    assert len({Pattern.parse("a+"), Pattern.parse("a+"), Pattern.parse("aa*")}) == 2
    assert repr(Pattern.parse("a+")) == "Pattern(source='a+')"
