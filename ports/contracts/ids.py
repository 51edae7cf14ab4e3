"""Ids, of entities whose ids are UUIDs and of those whose ids are text."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID, uuid4

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ports.contracts.strategies import identifiers
from ports.schema import Kind

HOSTILE_IDS: Final = (
    *("a", "A", "a:b", "a:b:c", ":", "/", "a/b", "..", ".", "a.b", "!", "a!b", "*", "?", "#"),
    *("$", "$id", "$where", "%", "_", "'", '"', "\\", "`", "{}", "[]", "(a)", "0", "00", "null"),
    *(" ", " a", "a ", "a b", "é", "e\u0301", "ß", "ſ", "ﬁ", "Ａ", "\uffff", "😀", "\u2028"),
    *("\ufeff", "\u202e", "😀" * 128, "é" * 128, "a" * 128, f"{'a' * 127}b"),
    "00000000-0000-0000-0000-000000000001",
)
"""Texts that are ids like any other; no two are the same one."""


@attrs.frozen(kw_only=True)
class Ids:
    """Ids of one kind.

    `new` gives one that nobody has, `nth` the n-th of ten thousand that ascend. `anything`
    generates all that may be ids, `wrong` are some that may not. `few` are for entities that shall
    meet each other.
    """

    new: Callable[[], Any]
    nth: Callable[[int], Any]
    anything: SearchStrategy[Any]
    few: Sequence[Any]
    wrong: Sequence[Any]


IDS: Final[Mapping[Kind, Ids]] = {
    Kind.UUID: Ids(
        new=uuid4,
        nth=lambda n: UUID(int=n),
        anything=st.uuids(),
        few=[UUID(int=n << 100 | n) for n in range(1, 6)],
        wrong=(None, 7, "not an id", f"{UUID(int=1)}", b"x", ["a"]),
    ),
    Kind.TEXT: Ids(
        new=lambda: f"a:$.{uuid4()}",
        nth=lambda n: f"{n:05}",
        anything=st.sampled_from(HOSTILE_IDS) | identifiers(128),
        few=["$", "A", "a", "a:b", "😀"],
        wrong=(None, 7, "", "a\nb", "\x00", "\x85", "\udc00", "x" * 129, b"x", ["a"], UUID(int=1)),
    ),
}
"""By the kind of the field that is the id."""
