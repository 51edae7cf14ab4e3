"""What a regular expression is made of, and how it is written for an engine."""

from collections.abc import Iterator
from typing import TypeAlias

import attrs


@attrs.frozen
class Chars:
    """One character within (or, negated, outside) some ranges."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool = False

    def admits(self, sign: str) -> bool:
        """Whether `sign` is such a character."""
        return any(first <= sign <= last for first, last in self.ranges) is not self.negated


@attrs.frozen
class Edge:
    """The place before the first character (`start`), or behind the last."""

    start: bool


@attrs.frozen
class Sequence:
    """One after the other."""

    parts: "tuple[Expression, ...]"


@attrs.frozen
class Choice:
    """One of several."""

    branches: "tuple[Expression, ...]"


@attrs.frozen
class Repetition:
    """`part`, from `low` to `high` times (None: without end)."""

    part: "Expression"
    low: int
    high: int | None


Expression: TypeAlias = Chars | Edge | Sequence | Choice | Repetition


def walk(node: Expression) -> Iterator[Expression]:
    """The node and all below it."""
    yield node
    if isinstance(node, Sequence | Choice):
        for part in node.parts if isinstance(node, Sequence) else node.branches:
            yield from walk(part)
    elif isinstance(node, Repetition):
        yield from walk(node.part)


def positions(node: Expression) -> int:
    """How many characters long it is, written without repetitions."""
    if isinstance(node, Repetition):
        return positions(node.part) * max(node.high or node.low, 1)
    if isinstance(node, Sequence):
        return sum(map(positions, node.parts))
    if isinstance(node, Choice):
        return sum(map(positions, node.branches))
    return isinstance(node, Chars)


def rendered(node: Expression, end_of_text: str) -> str:
    """The node in the syntax that Python, PostgreSQL and PCRE share."""
    if isinstance(node, Chars):
        return _chars(node)
    if isinstance(node, Edge):
        return "^" if node.start else end_of_text
    if isinstance(node, Sequence):
        return "".join(
            _group(part, end_of_text) if isinstance(part, Choice) else rendered(part, end_of_text)
            for part in node.parts
        )
    if isinstance(node, Choice):
        return "|".join(rendered(branch, end_of_text) for branch in node.branches)
    part = rendered(node.part, end_of_text)
    if not isinstance(node.part, Chars):
        part = _group(node.part, end_of_text)
    return part + _bounds(node.low, node.high)


def _group(node: Expression, end_of_text: str) -> str:
    return f"(?:{rendered(node, end_of_text)})"


def _bounds(low: int, high: int | None) -> str:
    if high is None:
        return {0: "*", 1: "+"}.get(low, f"{{{low},}}")
    if (low, high) == (0, 1):
        return "?"
    return f"{{{low}}}" if low == high else f"{{{low},{high}}}"


def _chars(node: Chars) -> str:
    ((first, last), *others) = node.ranges
    if first == last and not others and not node.negated:
        return f"\\{first}" if first in "\\.^$|?*+()[]{}" else first
    ranges = "".join(
        _in_class(first) if first == last else f"{_in_class(first)}-{_in_class(last)}"
        for first, last in node.ranges
    )
    return f"[{'^' if node.negated else ''}{ranges}]"


def _in_class(sign: str) -> str:
    # Python reserves && || ~~ in a class for set operations to come.
    return f"\\{sign}" if sign in "\\^-[]&|~" else sign
