"""The nodes of a criteria, and what each means."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any

import attrs

from domain.text import fold
from ports.errors import InvalidQueryError
from ports.schema import EntitySchema, FieldSchema, search_text

MAX_NODES = 500
MAX_DEPTH = 20


class Operator(StrEnum):
    """The comparisons that a store translates; all that a caller may write reduces to these."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    IN = "in"
    """The operand is a tuple."""
    NOT_IN = "not_in"
    CONTAINS = "contains"
    """The operand is a literal part of the text."""
    ICONTAINS = "icontains"
    """The operand, folded, is a part of the folded text. The operand is kept folded."""
    STARTSWITH = "startswith"
    REGEX = "regex"
    """The operand is a `Pattern`, found anywhere in the text."""
    IS_NULL = "is_null"
    IS_NOT_NULL = "is_not_null"
    SIZE = "size"
    """A list field has so many items."""
    ANY_OF = "any_of"
    """A list field holds at least one of the operands."""
    ALL_OF = "all_of"
    """A list field holds every one of the operands."""


_MEANING: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: lambda value, operand: value == operand,
    Operator.NE: lambda value, operand: value != operand,
    Operator.GT: lambda value, operand: value > operand,
    Operator.GTE: lambda value, operand: value >= operand,
    Operator.LT: lambda value, operand: value < operand,
    Operator.LTE: lambda value, operand: value <= operand,
    Operator.IN: lambda value, operand: value in operand,
    Operator.NOT_IN: lambda value, operand: value not in operand,
    Operator.CONTAINS: lambda value, operand: operand in value,
    Operator.ICONTAINS: lambda value, operand: operand in fold(value),
    Operator.STARTSWITH: lambda value, operand: value.startswith(operand),
    Operator.REGEX: lambda value, operand: operand.found_in(value),
    Operator.IS_NOT_NULL: lambda value, operand: True,
    Operator.SIZE: lambda value, operand: len(value) == operand,
    Operator.ANY_OF: lambda value, operand: any(item in value for item in operand),
    Operator.ALL_OF: lambda value, operand: all(item in value for item in operand),
}


@attrs.frozen(kw_only=True)
class Criteria:
    """A condition on entities of one schema. Combine with `&`, `|` and `~`."""

    schema: EntitySchema[Any] = attrs.field(repr=False)

    @abstractmethod
    def matches(self, entity: Any) -> bool:
        """Whether the entity meets this condition: the definition of what it means."""

    @property
    def parts(self) -> tuple["Criteria", ...]:
        """The conditions directly inside this one."""
        return ()

    def __and__(self, other: "Criteria") -> "Criteria":
        return And.of(self.schema, self, other)

    def __or__(self, other: "Criteria") -> "Criteria":
        return Or.of(self.schema, self, other)

    def __invert__(self) -> "Criteria":
        return bounded(Not(schema=self.schema, part=self))

    def walk(self) -> Iterator["Criteria"]:
        """This node and all below it."""
        yield self
        for part in self.parts:
            yield from part.walk()


@attrs.frozen(kw_only=True)
class _Junction(Criteria):
    """Several conditions taken together."""

    terms: tuple[Criteria, ...] = ()

    @classmethod
    def of(cls, schema: EntitySchema[Any], *terms: Criteria) -> Criteria:
        """`terms` joined, in the flattest form."""
        return bounded(cls(schema=schema, terms=cls._flat(schema, terms)))

    @property
    def parts(self) -> tuple[Criteria, ...]:
        return self.terms

    @classmethod
    def _flat(cls, schema: EntitySchema[Any], terms: tuple[Criteria, ...]) -> tuple[Criteria, ...]:
        flat: list[Criteria] = []
        for term in terms:
            if not isinstance(term, Criteria):
                raise InvalidQueryError(
                    f"criteria combine with criteria, not {type(term).__name__}"
                )
            if term.schema is not schema:
                other = term.schema.name
                raise InvalidQueryError(f"criteria on {schema.name} and {other} don't mix")
            flat.extend(term.terms if isinstance(term, cls) else (term,))
        return tuple(flat)


@attrs.frozen(kw_only=True)
class And(_Junction):
    """Every part holds; so does one without parts."""

    def matches(self, entity: Any) -> bool:
        return all(term.matches(entity) for term in self.terms)


@attrs.frozen(kw_only=True)
class Or(_Junction):
    """At least one part holds; never, without parts."""

    def matches(self, entity: Any) -> bool:
        return any(term.matches(entity) for term in self.terms)


@attrs.frozen(kw_only=True)
class Not(Criteria):
    """The part does not hold. A comparison with null is false, so its negation is true."""

    part: Criteria

    @property
    def parts(self) -> tuple[Criteria, ...]:
        return (self.part,)

    def matches(self, entity: Any) -> bool:
        return not self.part.matches(entity)


@attrs.frozen(kw_only=True)
class Comparison(Criteria):
    """A field compared with an operand of the right type. Built by `where` and `parse` only."""

    field: FieldSchema
    operator: Operator
    operand: Any = None

    def matches(self, entity: Any) -> bool:
        value = getattr(entity, self.field.name)
        if self.operator is Operator.IS_NULL:
            return value is None
        return value is not None and _MEANING[self.operator](value, self.operand)


@attrs.frozen(kw_only=True)
class Search(Criteria):
    """Every term occurs, after folding, somewhere in one of the schema's searchable fields.

    `terms` are folded and hold no white space; without any, everything is found.
    """

    terms: tuple[str, ...]

    def matches(self, entity: Any) -> bool:
        document = search_text(getattr(entity, name) for name in self.schema.searchable)
        return all(term in document for term in self.terms)


@attrs.frozen(kw_only=True)
class Words(Criteria):
    """Every term is the beginning of a word in one of the schema's searchable fields.

    `terms` are as `domain.words.terms` makes them; without any, everything is found.
    """

    terms: tuple[str, ...]

    def matches(self, entity: Any) -> bool:
        words = self.schema.search_words(entity)
        return all(any(word.startswith(term) for word in words) for term in self.terms)


def bounded(criteria: Criteria) -> Criteria:
    """`criteria`, unless it is too large to be sent to a store."""
    level: tuple[Criteria, ...] = (criteria,)
    nodes = depth = 0
    while level:
        nodes += len(level)
        depth += 1
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            raise InvalidQueryError(
                f"a criteria has at most {MAX_NODES} conditions, {MAX_DEPTH} levels deep"
            )
        level = tuple(part for node in level for part in node.parts)
    return criteria
