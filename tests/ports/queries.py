"""An entity with a field of every kind, and queries about it, as hypothesis strategies."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import attrs
from hypothesis import strategies as st

from domain.identity import TenantId
from ports.criteria import Criteria, Where
from ports.schema import EntitySchema, FieldSchema, Kind

TENANT = TenantId("acme")
AT = datetime(2026, 3, 29, tzinfo=UTC)
IDS = [UUID(int=n << 64 | n) for n in range(1, 6)]


class Colour(StrEnum):
    """Declared in another order than that of its values."""

    RED = "red"
    BLUE = "blue"
    GREEN = "green"


@attrs.frozen(kw_only=True)
class Sample:
    """A field of every kind; all but the id may be null."""

    id: UUID
    tenant_id: TenantId = TENANT
    created_at: datetime = AT
    updated_at: datetime = AT
    revision: int = 1
    text: str | None = None
    folded: str | None = None
    colour: Colour | None = None
    integer: int | None = None
    number: float | None = None
    boolean: bool | None = None
    uuid: UUID | None = None
    instant: datetime | None = None
    day: date | None = None
    texts: tuple[str, ...] | None = None


SCHEMA = EntitySchema(
    entity=Sample,
    name="sample",
    fields=[
        FieldSchema("id", Kind.UUID, sortable=True),
        FieldSchema("text", Kind.TEXT, nullable=True, sortable=True),
        FieldSchema("folded", Kind.TEXT, nullable=True, sortable=True, folded=True),
        FieldSchema("colour", Kind.ENUM, nullable=True, sortable=True, members=Colour),
        FieldSchema("integer", Kind.INTEGER, nullable=True, sortable=True),
        FieldSchema("number", Kind.NUMBER, nullable=True, sortable=True),
        FieldSchema("boolean", Kind.BOOLEAN, nullable=True),
        FieldSchema("uuid", Kind.UUID, nullable=True, sortable=True),
        FieldSchema("instant", Kind.INSTANT, nullable=True, sortable=True),
        FieldSchema("day", Kind.DATE, nullable=True, sortable=True),
        FieldSchema("texts", Kind.TEXTS, nullable=True),
    ],
    searchable=("folded", "texts"),
)
OTHER_SCHEMA = EntitySchema(
    entity=Sample,
    name="other",
    fields=[
        FieldSchema("id", Kind.UUID, sortable=True),
        FieldSchema("text", Kind.TEXT, nullable=True, sortable=True),
    ],
)
where: Where[Sample] = Where(SCHEMA)
SORTABLE = [name for name, field in SCHEMA.fields.items() if field.sortable]

FEW_TEXTS = st.text("aAbBß%_\\.$\U0001f600\ufb01e\u0301 ", max_size=4)
FEW_INSTANTS = st.integers(0, 5).map(lambda n: AT + timedelta(milliseconds=n))
FEW_DATES = st.integers(0, 5).map(lambda n: AT.date() + timedelta(days=n))
FEW: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.TEXT: FEW_TEXTS,
    Kind.ENUM: st.sampled_from(Colour),
    Kind.INTEGER: st.integers(-3, 3) | st.sampled_from([2**63 - 1, -(2**63)]),
    Kind.NUMBER: st.integers(-3, 3).map(lambda n: n / 2) | st.sampled_from([1e308, -0.0, 5e-324]),
    Kind.BOOLEAN: st.booleans(),
    Kind.UUID: st.sampled_from(IDS),
    Kind.INSTANT: FEW_INSTANTS,
    Kind.DATE: FEW_DATES,
    Kind.TEXTS: FEW_TEXTS,
}
"""Operands that often meet the values of `samples()`."""

samples = st.builds(
    Sample,
    id=st.sampled_from(IDS),
    text=st.none() | FEW_TEXTS,
    folded=st.none() | FEW_TEXTS,
    colour=st.none() | FEW[Kind.ENUM],
    integer=st.none() | FEW[Kind.INTEGER],
    number=st.none() | FEW[Kind.NUMBER],
    boolean=st.none() | st.booleans(),
    uuid=st.none() | FEW[Kind.UUID],
    instant=st.none() | FEW_INSTANTS,
    day=st.none() | FEW_DATES,
    texts=st.none() | st.lists(FEW_TEXTS, max_size=3).map(tuple),
)

EVERY = set(Kind)
SCALARS = EVERY - {Kind.TEXTS}
ORDERED = SCALARS - {Kind.ENUM, Kind.BOOLEAN}
TEXT, TEXTS = {Kind.TEXT}, {Kind.TEXTS}
KINDS: dict[str, set[Kind]] = {
    **dict.fromkeys(["eq", "ne", "in", "not_in"], SCALARS),
    **dict.fromkeys(["gt", "gte", "lt", "lte"], ORDERED),
    **dict.fromkeys(["contains", "like"], TEXT | TEXTS),
    **dict.fromkeys(["icontains", "ilike", "startswith", "regex"], TEXT),
    **dict.fromkeys(["is_null", "is_not_null", "exists"], EVERY),
    **dict.fromkeys(["size", "any_of", "all_of"], TEXTS),
    "date_range": {Kind.INSTANT, Kind.DATE},
}
"""Which operator can be asked of which kind of field."""

FOLDING = {"icontains", "ilike"}


def takes(field: FieldSchema, operator: str) -> bool:
    """Whether the operator can be asked of the field."""
    return field.kind in KINDS[operator] and (field.folded or operator not in FOLDING)


def operands(field: FieldSchema, operator: str) -> st.SearchStrategy[Any]:
    """Operands that the operator takes."""
    one = FEW[field.kind]
    if operator in ("in", "not_in", "any_of", "all_of"):
        return st.lists(one, max_size=3)
    if operator in ("is_null", "is_not_null", "exists"):
        return st.booleans()
    if operator == "size":
        return st.integers(0, 3)
    if operator == "regex":
        return st.sampled_from(["a", "^b", "[ab]+$", "a|b", ".{2}"])
    if operator == "date_range":
        return st.fixed_dictionaries({"start": one}, optional={"end": one})
    return one


def condition(name: str, operator: str) -> Callable[[Any], Criteria]:
    """The builder of a condition, from its name in JSON."""
    method = operator + "_" if operator == "in" else operator
    built: Callable[[Any], Criteria] = getattr(where(name), method)
    return built


@st.composite
def comparisons(draw: st.DrawFn) -> Criteria:
    """One condition of any kind."""
    pairs = [(f.name, op) for f in SCHEMA.fields.values() for op in KINDS if takes(f, op)]
    name, operator = draw(st.sampled_from(pairs))
    return condition(name, operator)(draw(operands(SCHEMA.fields[name], operator)))


criteria: st.SearchStrategy[Criteria] = st.recursive(
    comparisons() | FEW_TEXTS.map(where.search) | st.just(where.everything),
    lambda inner: st.one_of(
        st.builds(lambda one, other: one & other, inner, inner),
        st.builds(lambda one, other: one | other, inner, inner),
        st.builds(lambda one: ~one, inner),
    ),
    max_leaves=6,
)
orders = st.lists(st.sampled_from(SORTABLE), unique=True, max_size=3).flatmap(
    lambda names: st.tuples(*(st.sampled_from([name, f"-{name}"]) for name in names)).map(list)
)
