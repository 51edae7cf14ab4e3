"""Building criteria: in Python with `Where`, from plain JSON with `parse`."""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Generic, TypeAlias, TypeVar

import attrs

from domain.identity import Entry
from domain.text import fold, text_fault
from domain.words import terms as terms_of
from ports.criteria.nodes import (
    And,
    Comparison,
    Criteria,
    Not,
    Operator,
    Or,
    Search,
    Words,
    bounded,
)
from ports.criteria.regex import Pattern
from ports.errors import InvalidQueryError
from ports.schema import EntitySchema, FieldSchema, Kind, SearchBy, shown

E = TypeVar("E", bound=Entry)
MAX_OPERANDS = 10_000
MAX_SEARCH_TERMS = 20
_ORDERED = frozenset({Kind.TEXT, Kind.INTEGER, Kind.NUMBER, Kind.UUID, Kind.INSTANT, Kind.DATE})


@attrs.frozen
class FieldConditions:
    """The conditions that can be put on one field; each raises `InvalidQueryError` if it has none.

    A condition's operand is of the field's type; ids, times and enum members may be given as text.
    """

    _schema: EntitySchema[Any]
    _field: FieldSchema

    def eq(self, operand: object) -> Criteria:
        """The field equals the operand."""
        return self._scalar(Operator.EQ, operand)

    def ne(self, operand: object) -> Criteria:
        """The field is not null and differs."""
        return self._scalar(Operator.NE, operand)

    def gt(self, operand: object) -> Criteria:
        """Greater."""
        return self._ordered(Operator.GT, operand)

    def gte(self, operand: object) -> Criteria:
        """Greater or equal."""
        return self._ordered(Operator.GTE, operand)

    def lt(self, operand: object) -> Criteria:
        """Less."""
        return self._ordered(Operator.LT, operand)

    def lte(self, operand: object) -> Criteria:
        """Less or equal."""
        return self._ordered(Operator.LTE, operand)

    def in_(self, operands: Iterable[object]) -> Criteria:
        """One of at most `MAX_OPERANDS`; of none, nothing is found."""
        self._refuse_texts(Operator.IN)
        return self._made(Operator.IN, self._operands(operands))

    def not_in(self, operands: Iterable[object]) -> Criteria:
        """Not null, and none of them."""
        self._refuse_texts(Operator.NOT_IN)
        return self._made(Operator.NOT_IN, self._operands(operands))

    def contains(self, operand: object) -> Criteria:
        """A text holds the operand as a literal part; a list field holds it as an item."""
        if self._field.kind is Kind.TEXTS:
            return self.all_of([operand])
        return self._text(Operator.CONTAINS, operand)

    like = contains
    """The same as `contains`: `%` and `_` are ordinary characters here."""

    def icontains(self, operand: object) -> Criteria:
        """A text holds the operand, both folded."""
        if not self._field.folded:
            raise self._unfit(Operator.ICONTAINS, " that isn't kept folded")
        return self._made(Operator.ICONTAINS, fold(self._field.operand(operand)))

    ilike = icontains

    def startswith(self, operand: object) -> Criteria:
        """A text begins with the operand."""
        return self._text(Operator.STARTSWITH, operand)

    def regex(self, pattern: object) -> Criteria:
        """A text holds a match of the pattern, in the subset of `ports.criteria.regex`."""
        self._require(Kind.TEXT, Operator.REGEX)
        return self._made(Operator.REGEX, Pattern.parse(pattern))

    def is_null(self, holds: object = True) -> Criteria:
        """The field has no value (or, given False, has one)."""
        return self._made(Operator.IS_NULL if self._switch(holds) else Operator.IS_NOT_NULL, None)

    def is_not_null(self, holds: object = True) -> Criteria:
        """The field has a value (or, given False, has none)."""
        return self._made(Operator.IS_NOT_NULL if self._switch(holds) else Operator.IS_NULL, None)

    exists = is_not_null

    def size(self, operand: object) -> Criteria:
        """A list field has so many items."""
        self._require(Kind.TEXTS, Operator.SIZE)
        if not isinstance(operand, int) or isinstance(operand, bool) or not 0 <= operand < 2**31:
            raise InvalidQueryError(f"{self._field.name}: a size is a non-negative integer")
        return self._made(Operator.SIZE, operand)

    def any_of(self, operands: Iterable[object]) -> Criteria:
        """A list field holds at least one of them; of none, nothing is found."""
        self._require(Kind.TEXTS, Operator.ANY_OF)
        return self._made(Operator.ANY_OF, self._operands(operands))

    def all_of(self, operands: Iterable[object]) -> Criteria:
        """A list field holds each of them; of none, every list is found."""
        self._require(Kind.TEXTS, Operator.ALL_OF)
        return self._made(Operator.ALL_OF, self._operands(operands))

    def date_range(self, start: object = None, end: object = None) -> Criteria:
        """From `start` (inclusive) to `end` (exclusive); either may be left out, not both.

        In JSON its value is an object with the keys `start` and `end`.
        """
        if isinstance(start, Mapping):
            bounds: Mapping[object, object] = start
            if end is not None:
                raise InvalidQueryError(f"{self._field.name}: a range has its end within it")
            if unknown := set(bounds) - {"start", "end"}:
                raise InvalidQueryError(
                    f"{self._field.name}: a range has no {shown(unknown.pop())}"
                )
            start, end = bounds.get("start"), bounds.get("end")
        if self._field.kind not in (Kind.INSTANT, Kind.DATE):
            raise self._unfit("date_range")
        terms = [self.gte(start)] if start is not None else []
        if end is not None:
            terms.append(self.lt(end))
        if not terms:
            raise InvalidQueryError(f"{self._field.name}: a range needs a start or an end")
        return And.of(self._schema, *terms)

    def _made(self, operator: Operator, operand: object) -> Criteria:
        return Comparison(
            schema=self._schema, field=self._field, operator=operator, operand=operand
        )

    def _scalar(self, operator: Operator, operand: object) -> Criteria:
        self._refuse_texts(operator)
        return self._made(operator, self._field.operand(operand))

    def _ordered(self, operator: Operator, operand: object) -> Criteria:
        if self._field.kind not in _ORDERED:
            raise self._unfit(operator)
        return self._made(operator, self._field.operand(operand))

    def _text(self, operator: Operator, operand: object) -> Criteria:
        self._require(Kind.TEXT, operator)
        return self._made(operator, self._field.operand(operand))

    def _operands(self, operands: object) -> tuple[Any, ...]:
        if isinstance(operands, str | bytes | Mapping) or not isinstance(operands, Iterable):
            raise InvalidQueryError(f"{self._field.name}: the operand must be a list")
        first = islice(operands, MAX_OPERANDS + 1)
        kept = tuple(self._field.operand(operand) for operand in first)
        if len(kept) > MAX_OPERANDS:
            raise InvalidQueryError(f"{self._field.name}: at most {MAX_OPERANDS} operands")
        return kept

    def _switch(self, holds: object) -> bool:
        if not isinstance(holds, bool):
            raise InvalidQueryError(f"{self._field.name}: the operand must be true or false")
        return holds

    def _require(self, kind: Kind, operator: Operator) -> None:
        if self._field.kind is not kind:
            raise self._unfit(operator)

    def _refuse_texts(self, operator: Operator) -> None:
        if self._field.kind is Kind.TEXTS:
            raise self._unfit(operator)

    def _unfit(self, operator: str, because: str = "") -> InvalidQueryError:
        return InvalidQueryError(
            f"{self._field.name}: {str(operator)!r} can't be asked of a {self._field.kind} field"
            + because
        )


_BY_NAME: Mapping[str, Callable[[FieldConditions, Any], Criteria]] = {
    "eq": FieldConditions.eq,
    "ne": FieldConditions.ne,
    "gt": FieldConditions.gt,
    "gte": FieldConditions.gte,
    "lt": FieldConditions.lt,
    "lte": FieldConditions.lte,
    "in": FieldConditions.in_,
    "not_in": FieldConditions.not_in,
    "contains": FieldConditions.contains,
    "icontains": FieldConditions.icontains,
    "like": FieldConditions.like,
    "ilike": FieldConditions.ilike,
    "startswith": FieldConditions.startswith,
    "regex": FieldConditions.regex,
    "is_null": FieldConditions.is_null,
    "is_not_null": FieldConditions.is_not_null,
    "exists": FieldConditions.exists,
    "size": FieldConditions.size,
    "date_range": FieldConditions.date_range,
    "any_of": FieldConditions.any_of,
    "all_of": FieldConditions.all_of,
}
_NO_VALUE = {"is_null", "is_not_null", "exists"}


@attrs.frozen
class Where(Generic[E]):
    """Builds criteria in Python: `where("status").eq("active") & where("name").ilike("wel")`."""

    schema: EntitySchema[E]

    def __call__(self, field: str) -> FieldConditions:
        """Conditions on a field.

        Raises:
            InvalidQueryError: if the entity has no such field.
        """
        return FieldConditions(self.schema, self.schema.field(field))

    @property
    def everything(self) -> Criteria:
        """Holds for every entity."""
        return And(schema=self.schema)

    def search(self, text: str) -> Criteria:
        """Every term of `text`, folded, occurs in a searchable field.

        Where the schema searches by parts, terms are cut at white space and may stand anywhere;
        where it searches by words, they are what `domain.words` says, and begin a word. A blank
        text finds everything.

        Raises:
            InvalidQueryError: for more than 1000 characters or 20 terms, NUL or lone surrogates; or
                a search by words for a text that holds none, such as `?!`.
        """
        if not isinstance(text, str) or len(text) > 1_000 or text_fault(text):
            raise InvalidQueryError("a search is text of at most 1000 characters, without NUL")
        parts = tuple(dict.fromkeys(fold(text).split()))
        by_words = self.schema.search_by is SearchBy.WORDS
        terms = terms_of(text) if by_words else parts
        if parts and not terms:
            raise InvalidQueryError("the text holds no word to search for")
        if len(terms) > MAX_SEARCH_TERMS:
            raise InvalidQueryError(f"a search has at most {MAX_SEARCH_TERMS} terms")
        return (Words if by_words else Search)(schema=self.schema, terms=terms)


CriteriaLike: TypeAlias = Criteria | Mapping[str, Any] | None
"""Criteria, or the JSON that `parse` reads, or None for everything."""


def coerce(given: CriteriaLike, schema: EntitySchema[Any]) -> Criteria:
    """Criteria of `schema` from whatever a repository was given.

    Raises:
        InvalidQueryError: if it isn't one, or one of another entity's.
    """
    if given is None:
        return And(schema=schema)
    if not isinstance(given, Criteria):
        return parse(given, schema)
    if given.schema is not schema:
        raise InvalidQueryError(f"criteria on {given.schema.name} don't fit {schema.name}")
    return given


def parse(document: object, schema: EntitySchema[Any]) -> Criteria:
    """Read criteria from plain JSON, as an HTTP API receives it.

    `{"status": "active", "name": {"operator": "ilike", "value": "wel"}}`: all entries must hold; a
    bare value means `eq`, a bare list `in`, a bare null `is_null`. The keys `and` and `or` take a
    list of such documents, `not` takes one. Fields and operators are looked up, never passed on.

    Raises:
        InvalidQueryError: for anything else.
    """
    return bounded(_parse(document, schema, 1))


def _parse(document: object, schema: EntitySchema[Any], depth: int) -> Criteria:
    if not isinstance(document, Mapping):
        raise InvalidQueryError("criteria must be an object of conditions")
    if depth > 20:
        raise InvalidQueryError("criteria are nested too deeply")
    terms = [_entry(key, value, schema, depth) for key, value in document.items()]
    return terms[0] if len(terms) == 1 else And.of(schema, *terms)


def _entry(key: object, value: object, schema: EntitySchema[Any], depth: int) -> Criteria:
    if key == "not":
        return Not(schema=schema, part=_parse(value, schema, depth + 1))
    if key in ("and", "or"):
        if not isinstance(value, list | tuple):
            raise InvalidQueryError(f"{key!r} takes a list of conditions")
        parts = [_parse(part, schema, depth + 1) for part in value]
        return (And if key == "and" else Or).of(schema, *parts)
    if not isinstance(key, str):
        raise InvalidQueryError("a field's name must be text")
    conditions = FieldConditions(schema, schema.field(key))
    if isinstance(value, Mapping):
        return _operation(key, value, conditions)
    if value is None:
        return conditions.is_null()
    if isinstance(value, list | tuple):
        return conditions.in_(value)
    return conditions.eq(value)


def _operation(key: str, value: Mapping[Any, Any], conditions: FieldConditions) -> Criteria:
    operator = value.get("operator")
    build = _BY_NAME.get(operator) if isinstance(operator, str) else None
    if build is None:
        raise InvalidQueryError(f"{key}: unknown operator {shown(operator)}")
    if unknown := set(value) - {"operator", "value"}:
        raise InvalidQueryError(f"{key}: a condition has no {shown(unknown.pop())}")
    if "value" not in value and operator not in _NO_VALUE:
        raise InvalidQueryError(f"{key}: {operator!r} needs a value")
    return build(conditions, value.get("value", True))
