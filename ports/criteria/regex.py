r"""Regular expressions in the subset in which Python, PostgreSQL and PCRE agree.

Literals, `.` (no line feed), classes (`[a-z]`, `[^…]`, `\d \w \s` and their opposites, in ASCII),
the anchors `^` and `$` (whole text, not lines), groups (capturing or not makes no difference),
alternation, and the repetitions `? * + {m} {m,} {m,n}` of a character, a class or a group that
holds neither repetition nor anchor. No backreference, lookaround, flag or lazy form. At most 256
characters, 8 repetitions of which two unbounded, bounds up to 64, and 1000 characters when
written without repetitions.

A pattern is parsed here and rendered anew, so that no text of a caller's reaches an engine as it
was written. Here it is searched in linear time, and PostgreSQL doesn't backtrack without
backreferences either. PCRE does, and gives up at its match limit: an adapter that uses it reports
that as an `InvalidQueryError`.
"""

import re
from functools import cached_property
from typing import Self

import attrs

from domain.text import text_fault
from ports.criteria.automaton import Automaton
from ports.criteria.expressions import (
    Chars,
    Choice,
    Edge,
    Expression,
    Repetition,
    Sequence,
    positions,
    rendered,
    walk,
)
from ports.errors import InvalidQueryError

MAX_LENGTH = 256
MAX_REPETITIONS = 8
MAX_UNBOUNDED = 2
MAX_BOUND = 64
MAX_POSITIONS = 1_000

_CLASSES: dict[str, tuple[tuple[str, str], ...]] = {
    "d": (("0", "9"),),
    "w": (("A", "Z"), ("a", "z"), ("0", "9"), ("_", "_")),
    "s": ((" ", " "), ("\t", "\r")),
}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
_PUNCTUATION = frozenset("\\.^$|?*+()[]{}-/\"'`~!@#%&=<>,:; ")
_BOUNDS = re.compile(r"\{([0-9]{1,3})(?:(,)([0-9]{1,3})?)?\}")
_SIGNS = {"?": (0, 1), "*": (0, None), "+": (1, None)}


@attrs.frozen(slots=False)
class Pattern:
    """A parsed pattern. Equal ones are written alike."""

    source: str
    _expression: Expression = attrs.field(repr=False, eq=False)

    @classmethod
    def parse(cls, source: object) -> Self:
        """Read a pattern.

        Raises:
            InvalidQueryError: naming what is outside the subset, and where.
        """
        if not isinstance(source, str):
            raise InvalidQueryError("a pattern must be text")
        if len(source) > MAX_LENGTH:
            raise InvalidQueryError(f"a pattern has at most {MAX_LENGTH} characters")
        if fault := text_fault(source):
            raise InvalidQueryError(f"a pattern that {fault}")
        return cls(source, _Parser(source).whole())

    def rendered(self, end_of_text: str) -> str:
        r"""For an engine whose own sign for the end of the text is `end_of_text` (`\Z`, `\z`)."""
        return rendered(self._expression, end_of_text)

    def found_in(self, value: str) -> bool:
        """Whether `value` holds a match; in time linear in its length."""
        return self._automaton.found_in(value)

    @cached_property
    def _automaton(self) -> Automaton:
        return Automaton(self._expression)


@attrs.define
class _Parser:
    """Recursive descent."""

    source: str
    at: int = 0
    repetitions: int = 0
    unbounded: int = 0
    depth: int = 0

    def whole(self) -> Expression:
        expression = self.alternatives()
        if self.at < len(self.source):
            raise self.refuse("an unmatched )")
        if positions(expression) > MAX_POSITIONS:
            raise self.refuse(f"more than {MAX_POSITIONS} characters without its repetitions")
        return expression

    def alternatives(self) -> Expression:
        branches = [self.branch()]
        while self.take("|"):
            branches.append(self.branch())
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))

    def branch(self) -> Expression:
        parts: list[Expression] = []
        while self.at < len(self.source) and self.source[self.at] not in "|)":
            parts.append(self.repeated())
        if not parts:
            raise self.refuse("an empty alternative")
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def repeated(self) -> Expression:
        part = self.atom()
        bounds = self.bounds()
        if bounds is None:
            return part
        for inner in walk(part):
            if isinstance(inner, Edge):
                raise self.refuse("a repeated anchor")
            if isinstance(inner, Repetition):
                raise self.refuse("a repetition of a repetition")
        self.repetitions += 1
        self.unbounded += bounds[1] is None
        if self.repetitions > MAX_REPETITIONS or self.unbounded > MAX_UNBOUNDED:
            raise self.refuse(
                f"more than {MAX_REPETITIONS} repetitions, or {MAX_UNBOUNDED} unbounded ones"
            )
        if self.at < len(self.source) and self.source[self.at] in "?*+{":
            raise self.refuse("a lazy, possessive or doubled repetition")
        return Repetition(part, *bounds)

    def bounds(self) -> tuple[int, int | None] | None:
        if self.at >= len(self.source):
            return None
        sign = self.source[self.at]
        if sign in _SIGNS:
            self.at += 1
            return _SIGNS[sign]
        if sign != "{":
            return None
        found = _BOUNDS.match(self.source, self.at)
        if not found:
            raise self.refuse("a { that isn't a repetition; write \\{")
        self.at = found.end()
        low = int(found[1])
        high = (int(found[3]) if found[3] else None) if found[2] else low
        if max(low, high or 0) > MAX_BOUND:
            raise self.refuse(f"a bound above {MAX_BOUND}")
        if high is not None and high < low:
            raise self.refuse("bounds that are the wrong way round")
        return low, high

    def atom(self) -> Expression:
        sign = self.source[self.at]
        self.at += 1
        if sign == "(":
            return self.group()
        if sign == "[":
            return self.char_class()
        if sign in "^$":
            return Edge(sign == "^")
        if sign == ".":
            return Chars((("\n", "\n"),), negated=True)
        if sign == "\\":
            return self.escape()
        if sign in "?*+{":
            raise self.refuse("a repetition of nothing")
        return Chars(((sign, sign),))

    def group(self) -> Expression:
        if self.source.startswith("?", self.at) and not self.take("?:"):
            raise self.refuse("a lookaround, flag or named group")
        self.depth += 1
        if self.depth > 10:
            raise self.refuse("groups nested too deeply")
        expression = self.alternatives()
        if not self.take(")"):
            raise self.refuse("an unclosed (")
        self.depth -= 1
        return expression

    def escape(self) -> Expression:
        sign = self.next("a pattern that ends in \\")
        if sign.lower() in _CLASSES:
            return Chars(_CLASSES[sign.lower()], negated=sign.isupper())
        literal = self.escaped(sign)
        return Chars(((literal, literal),))

    def escaped(self, sign: str) -> str:
        if sign in _CONTROLS:
            return _CONTROLS[sign]
        if sign in _PUNCTUATION:
            return sign
        raise self.refuse(f"the escape \\{sign}")

    def char_class(self) -> Expression:
        negated = self.take("^")
        ranges: list[tuple[str, str]] = []
        while not self.take("]"):
            first = self.class_item()
            ranged = self.source.startswith("-", self.at) and self.source[self.at + 1 :][:1] != "]"
            if not ranged:
                ranges += ((first, first),) if isinstance(first, str) else first
                continue
            self.at += 1
            last = self.class_item()
            if not isinstance(first, str) or not isinstance(last, str) or last < first:
                raise self.refuse("a range without order")
            ranges.append((first, last))
        if not ranges:
            raise self.refuse("an empty class")
        return Chars(tuple(ranges), negated)

    def class_item(self) -> str | tuple[tuple[str, str], ...]:
        sign = self.next("an unclosed [")
        if sign == "[":
            raise self.refuse("a [ in a class; write \\[")
        if sign != "\\":
            return sign
        sign = self.next("an unclosed [")
        return _CLASSES[sign] if sign in _CLASSES else self.escaped(sign)

    def next(self, missing: str) -> str:
        if self.at >= len(self.source):
            raise self.refuse(missing)
        self.at += 1
        return self.source[self.at - 1]

    def take(self, expected: str) -> bool:
        found = self.source.startswith(expected, self.at)
        if found:
            self.at += len(expected)
        return found

    def refuse(self, what: str) -> InvalidQueryError:
        return InvalidQueryError(f"a pattern may not have {what} (near character {self.at})")
