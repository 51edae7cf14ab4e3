"""Strategies for what is asked of a store: criteria and orders over any schema.

Operands are drawn mostly from the entities that will be asked for, and from parts of their texts,
so that criteria find something.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ports.contracts.strategies import CLASHING, DATES, FLOATS, INSTANTS, INTEGERS, text
from ports.criteria import And, Criteria, FieldConditions, Or, Where
from ports.errors import InvalidQueryError
from ports.schema import EntitySchema, FieldSchema, Kind

_ANY_VALUE = {
    Kind.TEXT: text(20),
    Kind.TEXTS: text(20),
    Kind.INTEGER: INTEGERS,
    Kind.NUMBER: FLOATS | st.integers(-5, 5),
    Kind.BOOLEAN: st.booleans(),
    Kind.UUID: st.uuids(),
    Kind.INSTANT: INSTANTS,
    Kind.DATE: DATES,
}
_ORDERED: tuple[Callable[[FieldConditions, Any], Criteria], ...] = (
    FieldConditions.gt,
    FieldConditions.gte,
    FieldConditions.lt,
    FieldConditions.lte,
)
_SIGNS = "\\.^$|?*+()[]{}-/\"'`~!@#%&=<>,:; "


@st.composite
def parts(draw: st.DrawFn, whole: str) -> str:
    """A part of a text, often written in another case."""
    start = draw(st.integers(0, max(len(whole) - 1, 0)))
    part = whole[start : start + draw(st.integers(0, 4))]
    return draw(st.sampled_from([part, part, part.upper(), part.lower(), part.casefold()]))


def operands(field: FieldSchema, known: Sequence[Any]) -> SearchStrategy[Any]:
    """A value of the field's kind: one that is known, a part of one, or any."""
    anything = st.sampled_from(list(field.members)) if field.members else _ANY_VALUE[field.kind]
    if not known:
        return anything
    if field.kind in (Kind.TEXT, Kind.TEXTS):
        return st.one_of(st.sampled_from(known), st.sampled_from(known).flatmap(parts), anything)
    return st.one_of(st.sampled_from(known), anything)


def _known(field: FieldSchema, entities: Sequence[Any]) -> list[Any]:
    values = [getattr(entity, field.name) for entity in entities]
    if field.kind is Kind.TEXTS:
        return [item for value in values for item in value]
    return [value for value in values if value is not None]


@st.composite
def patterns(draw: st.DrawFn, sample: str = CLASHING) -> str:
    """Regular expressions of the subset, made of the letters of `sample`."""
    letters = st.sampled_from(sample or "a").map(
        lambda sign: f"\\{sign}" if sign in _SIGNS else sign
    )
    classes = st.sampled_from([".", "\\d", "\\w", "\\s", "\\S", "\\W", "[a-c]", "[^a-b%]", "[-x]"])
    runs = st.lists(letters, min_size=1, max_size=3).map("".join)
    groups = st.lists(runs, min_size=1, max_size=2).map(lambda ways: f"({'|'.join(ways)})")
    atoms = draw(st.lists(letters | classes | groups, min_size=1, max_size=3))
    signs = st.sampled_from(["", "", "?", "{1,2}", "{0}", "{2}"])
    body = "".join(atom + draw(signs) for atom in atoms) + draw(st.sampled_from(["", "", "a*"]))
    return draw(st.sampled_from(["", "^", "(?:^|a)"])) + body + draw(st.sampled_from(["", "$"]))


def conditions(
    schema: EntitySchema[Any], field: FieldSchema, entities: Sequence[Any], *, regex: bool
) -> SearchStrategy[Criteria]:
    """Any condition that may be put on the field."""
    on: FieldConditions = Where(schema)(field.name)
    known = _known(field, entities)
    value = operands(field, known)
    values = st.lists(value, max_size=3)
    ways = [st.booleans().map(on.is_null)]
    if field.kind is Kind.TEXTS:
        ways += [values.map(on.any_of), values.map(on.all_of), value.map(on.contains)]
        ways += [st.integers(0, 4).map(on.size)]
        return st.one_of(ways)
    ways += [value.map(on.eq), value.map(on.ne), values.map(on.in_), values.map(on.not_in)]
    if field.kind not in (Kind.ENUM, Kind.BOOLEAN):
        ways += [value.map(partial(way, on)) for way in _ORDERED]
    if field.kind is Kind.TEXT:
        ways += [value.map(on.contains), value.map(on.startswith)]
        if regex:
            ways += [patterns("".join(known)[:20]).map(on.regex)]
    if field.folded:
        ways += [value.map(on.icontains)]
    if field.kind in (Kind.INSTANT, Kind.DATE):
        ways += [st.tuples(value, value).map(lambda bounds: on.date_range(*bounds))]
    return st.one_of(ways)


def _search(schema: EntitySchema[Any], text: str) -> Criteria:
    try:
        return Where(schema).search(text)
    except InvalidQueryError:  # where it is by words, for a text without any
        return Where(schema).search("")


def criteria(
    schema: EntitySchema[Any], entities: Sequence[Any] = (), *, regex: bool = True
) -> SearchStrategy[Criteria]:
    """Any criteria over the schema, likely to tell these entities apart."""
    texts = [
        line
        for name in schema.searchable
        for line in _known(schema.fields[name], entities)
        if line and len(line) < 20
    ]
    words = st.sampled_from(texts or ["a"]).flatmap(parts) | text(8)
    searches = st.lists(words, max_size=2).map(" ".join).map(partial(_search, schema))
    leaves = st.one_of(
        st.sampled_from(list(schema.fields.values())).flatmap(
            lambda field: conditions(schema, field, entities, regex=regex)
        ),
        searches,
    )

    def combined(inner: SearchStrategy[Criteria]) -> SearchStrategy[Criteria]:
        several = st.lists(inner, max_size=3)
        return st.one_of(
            several.map(lambda terms: And.of(schema, *terms)),
            several.map(lambda terms: Or.of(schema, *terms)),
            inner.map(lambda term: ~term),
        )

    return st.recursive(leaves, combined, max_leaves=4)


def orders(schema: EntitySchema[Any]) -> SearchStrategy[list[str]]:
    """Any order over the schema, as a caller writes it."""
    names = [field.name for field in schema.fields.values() if field.sortable]
    return st.lists(st.sampled_from(names), max_size=3, unique=True).flatmap(
        lambda chosen: st.tuples(*(st.sampled_from([name, f"-{name}"]) for name in chosen)).map(
            list
        )
    )
