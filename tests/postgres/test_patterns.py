"""Patterns, foldings and literal parts mean in PostgreSQL what they mean in Python."""

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.text import fold
from ports.criteria import Pattern
from ports.errors import InvalidQueryError

_ALPHABET = "abAB01_ \n\t.-é߀\U0001f600İſ"
_ATOMS = st.sampled_from(
    [
        *"abAB01_ .é€\U0001f600İſ",
        *(r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", r"\.", r"\n", r"\-", "^", "$"),
        *("[ab]", "[^ab]", "[a-z]", "[^0-9_]", r"[\d_]", r"[\]\-]", "[é-\U0001f600]"),
    ]
)
_REPEATED = st.builds(
    lambda atom, bounds: atom + bounds,
    _ATOMS,
    st.sampled_from(["", "", "", "?", "*", "+", "{2}", "{0,3}", "{2,}"]),
)
_BRANCHES = st.lists(_REPEATED, min_size=1, max_size=5).map("".join)
_GROUPS = st.lists(_BRANCHES, min_size=1, max_size=3).map(lambda parts: f"({'|'.join(parts)})")
_PATTERNS = st.lists(_BRANCHES | _GROUPS, min_size=1, max_size=3).map("".join)
_TEXTS = st.text(st.sampled_from(_ALPHABET), max_size=8)


class Server:
    """A connection with a loop of its own, since hypothesis calls from outside of any."""

    def __init__(self, url: str) -> None:
        self.runner = asyncio.Runner()
        self.connection = self.runner.run(_connected(url))

    def value(self, sql: str, *arguments: object) -> object:
        return self.runner.run(self._value(sql, arguments))

    async def _value(self, sql: str, arguments: tuple[object, ...]) -> object:
        return await self.connection.fetchval(sql, *arguments)

    def close(self) -> None:
        self.runner.run(self.connection.close())
        self.runner.close()


async def _connected(url: str) -> "asyncpg.Connection":
    return await asyncpg.connect(url)


@pytest.fixture(scope="module")
def asked(url: str) -> Iterator[Server]:
    server = Server(url)
    yield server
    server.close()


@given(source=_PATTERNS, texts=st.lists(_TEXTS, min_size=1, max_size=20))
@example(source="a$", texts=["a", "a\n", "ab"])
@example(source="^b", texts=["a\nb", "b"])
@example(source="a.c", texts=["a\nc", "abc"])
@example(source=r"[^\d]", texts=["1", "٣", "\n"])
@settings(deadline=None, max_examples=300)
def test_a_pattern_finds_the_same_texts(asked: Server, source: str, texts: list[str]) -> None:
    """Whatever the subset admits."""
    try:
        pattern = Pattern.parse(source)
    except InvalidQueryError:
        return
    found = asked.value(
        'SELECT array_agg(value COLLATE "C" ~ $2 ORDER BY place)'
        " FROM unnest($1::text[]) WITH ORDINALITY AS given(value, place)",
        texts,
        pattern.rendered(r"\Z"),
    )
    assert found == [pattern.found_in(text) for text in texts]


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
@settings(deadline=None)
def test_the_search_keys_are_every_three_characters_behind_the_tenant(
    asked: Server, text: str
) -> None:
    """By code point, whatever they take in UTF-8; none of a shorter text."""
    document = fold(text)
    expected = [f"acme{document[n : n + 3]}" for n in range(len(document) - 2)]
    assert asked.value("SELECT dialogbase_grams('acme', $1)", document) == expected
