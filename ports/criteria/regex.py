r"""Regular expressions in the subset in which Python, PostgreSQL and PCRE agree.

Literals, `.` (no line feed), classes (`[a-z]`, `[^…]`, `\d \w \s` and their opposites, in ASCII),
the anchors `^` and `$` (whole text, not lines), groups (capturing or not makes no difference),
alternation, and the repetitions `? * + {m} {m,} {m,n}` of a character, a class or a group that
holds no repetition itself. No backreference, lookaround, flag or lazy form. At most 256
characters, 8 repetitions of which two unbounded, and bounds up to 64, which keeps every engine
polynomial with a small exponent.

A pattern is parsed here and rendered anew, so that no text of a caller's reaches an engine as it
was written.
"""

import re
from functools import cached_property
from typing import Self

import attrs

from domain.text import text_fault
from ports.errors import InvalidQueryError

MAX_LENGTH = 256
MAX_REPETITIONS = 8
MAX_UNBOUNDED = 2
MAX_BOUND = 64

_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": " \t\n\r\f\v"}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
_PUNCTUATION = frozenset("\\.^$|?*+()[]{}-/\"'`~!@#%&=<>,:; ")
_END = "\0"
_BOUNDS = re.compile(r"\{(\d{1,3})(?:(,)(\d{1,3})?)?\}")


@attrs.frozen(slots=False)
class Pattern:
    """A parsed pattern. Equal ones are written alike."""

    source: str
    _normal: str = attrs.field(repr=False, eq=False)

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
        return self._normal.replace(_END, end_of_text)

    def found_in(self, value: str) -> bool:
        """Whether `value` holds a match."""
        return self._compiled.search(value) is not None

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.rendered(r"\Z"))


@attrs.define
class _Parser:
    """Recursive descent; each method returns what it read, rendered, and whether it repeats."""

    source: str
    at: int = 0
    repetitions: int = 0
    unbounded: int = 0
    depth: int = 0

    def whole(self) -> str:
        rendered, _ = self.alternatives()
        if self.at < len(self.source):
            raise self.refuse("an unmatched )")
        return rendered

    def alternatives(self) -> tuple[str, bool]:
        branches = [self.branch()]
        while self.take("|"):
            branches.append(self.branch())
        return "|".join(text for text, _ in branches), any(repeats for _, repeats in branches)

    def branch(self) -> tuple[str, bool]:
        rendered: list[str] = []
        repeats = False
        while self.at < len(self.source) and self.source[self.at] not in "|)":
            atom, repeated = self.repeated()
            rendered.append(atom)
            repeats = repeats or repeated
        if not rendered:
            raise self.refuse("an empty alternative")
        return "".join(rendered), repeats

    def repeated(self) -> tuple[str, bool]:
        atom, repeatable, inner = self.atom()
        bounds = self.bounds()
        if bounds is None:
            return atom, inner
        if not repeatable:
            raise self.refuse("a repeated anchor")
        if inner:
            raise self.refuse("a repetition of a repetition")
        self.repetitions += 1
        self.unbounded += bounds in ("*", "+") or bounds.endswith(",}")
        if self.repetitions > MAX_REPETITIONS or self.unbounded > MAX_UNBOUNDED:
            raise self.refuse(
                f"more than {MAX_REPETITIONS} repetitions, or {MAX_UNBOUNDED} unbounded ones"
            )
        if self.at < len(self.source) and self.source[self.at] in "?*+{":
            raise self.refuse("a lazy, possessive or doubled repetition")
        return atom + bounds, True

    def bounds(self) -> str | None:
        if self.at >= len(self.source):
            return None
        sign = self.source[self.at]
        if sign in "?*+":
            self.at += 1
            return sign
        if sign != "{":
            return None
        found = _BOUNDS.match(self.source, self.at)
        if not found:
            raise self.refuse("a { that isn't a repetition; write \\{")
        low, comma, high = found.groups()
        if int(low) > MAX_BOUND or int(high or 0) > MAX_BOUND:
            raise self.refuse(f"a bound above {MAX_BOUND}")
        if high is not None and int(high) < int(low):
            raise self.refuse("bounds that are the wrong way round")
        self.at = found.end()
        return f"{{{int(low)}{comma or ''}{'' if high is None else int(high)}}}"

    def atom(self) -> tuple[str, bool, bool]:
        sign = self.source[self.at]
        self.at += 1
        if sign == "(":
            return self.group()
        if sign == "[":
            return self.char_class(), True, False
        if sign == "^":
            return "^", False, False
        if sign == "$":
            return _END, False, False
        if sign == ".":
            return "[^\n]", True, False
        if sign == "\\":
            return self.escape(), True, False
        if sign in "?*+{":
            raise self.refuse("a repetition of nothing")
        return _literal(sign), True, False

    def group(self) -> tuple[str, bool, bool]:
        if self.source.startswith("?", self.at) and not self.take("?:"):
            raise self.refuse("a lookaround, flag or named group")
        self.depth += 1
        if self.depth > 10:
            raise self.refuse("groups nested too deeply")
        rendered, repeats = self.alternatives()
        if not self.take(")"):
            raise self.refuse("an unclosed (")
        self.depth -= 1
        return f"(?:{rendered})", _END not in rendered and "^" not in rendered, repeats

    def escape(self) -> str:
        sign = self.next("a pattern that ends in \\")
        if sign.lower() in _CLASSES:
            return f"[{'^' if sign.isupper() else ''}{_CLASSES[sign.lower()]}]"
        return _literal(self.escaped(sign))

    def escaped(self, sign: str) -> str:
        if sign in _CONTROLS:
            return _CONTROLS[sign]
        if sign in _PUNCTUATION:
            return sign
        raise self.refuse(f"the escape \\{sign}")

    def char_class(self) -> str:
        negated = "^" if self.take("^") else ""
        items: list[str] = []
        while not self.take("]"):
            first = self.class_item()
            if first is None:
                items.append(_CLASSES[self.source[self.at - 1]])
                continue
            if self.source.startswith("-", self.at) and not self.source.startswith("-]", self.at):
                self.at += 1
                last = self.class_item()
                if last is None or last < first:
                    raise self.refuse("a range without order")
                items.append(f"{_in_class(first)}-{_in_class(last)}")
            else:
                items.append(_in_class(first))
        if not items:
            raise self.refuse("an empty class")
        return f"[{negated}{''.join(items)}]"

    def class_item(self) -> str | None:
        sign = self.next("an unclosed [")
        if sign == "[":
            raise self.refuse("a [ in a class; write \\[")
        if sign != "\\":
            return sign
        sign = self.next("an unclosed [")
        return None if sign in _CLASSES else self.escaped(sign)

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


def _literal(sign: str) -> str:
    return f"\\{sign}" if sign in "\\.^$|?*+()[]{}" else sign


def _in_class(sign: str) -> str:
    return f"\\{sign}" if sign in "\\^-[]" else sign
