"""Drafts, whole entities and patches of any type, from what its fields may hold.

Most fields say by their type what they may hold. A text doesn't say how long it may be, a number
not how large: for these, and for whatever else needs it, a subject gives strategies by name.
"""

import inspect
from collections.abc import Callable, Mapping
from datetime import date, datetime
from enum import Enum
from operator import itemgetter
from types import NoneType
from typing import Any, TypeAlias
from uuid import UUID

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from domain.documents import JsonObject
from domain.errors import ValidationError
from domain.identity import TenantId, UserId
from ports.contracts.strategies import DATES, INSTANTS, TAGS, identifiers, json_objects
from ports.schema import EntitySchema

Entity: TypeAlias = Any
"""Contracts are for every entity; what they read of one is in its schema or its subject."""

Fields: TypeAlias = Mapping[str, SearchStrategy[Any]]

_COUNTS = [1, 2, 2**31, 2**53 + 1, 2**62]
_BY_TYPE: Mapping[Any, SearchStrategy[Any]] = {
    UUID: st.uuids(),
    UserId: identifiers(256),
    bool: st.booleans(),
    int: st.sampled_from([0, *_COUNTS]),
    datetime: INSTANTS,
    date: DATES,
    tuple[str, ...]: TAGS,
    JsonObject: json_objects(),
}


def _of_type(kind: Any) -> SearchStrategy[Any] | None:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    return _BY_TYPE.get(kind)


def fields(schema: EntitySchema[Any], own: Fields) -> Fields:
    """What each field may hold: `own`, or what its type says."""
    attrs.resolve_types(schema.entity)
    known: dict[str, SearchStrategy[Any]] = {"revision": st.sampled_from(_COUNTS), **own}
    for field in attrs.fields(schema.entity):
        if field.name in known or field.name == "tenant_id":
            continue
        kinds = getattr(field.type, "__args__", ()) if _nullable(field.type) else (field.type,)
        found = [_of_type(kind) for kind in kinds if kind is not NoneType]
        if len(found) != 1 or found[0] is None:
            raise LookupError(f"{schema.name}.{field.name} needs a strategy of its subject's own")
        known[field.name] = st.none() | found[0] if _nullable(field.type) else found[0]
    return known


def _nullable(kind: Any) -> bool:
    return NoneType in getattr(kind, "__args__", ())


def _made(make: Callable[..., Any], held: Fields) -> SearchStrategy[Any]:
    def attempt(values: dict[str, Any]) -> list[Any]:
        try:
            return [make(**values)]
        except ValidationError:  # for a rule between fields that are right each by itself
            return []

    return st.fixed_dictionaries(dict(held)).map(attempt).filter(bool).map(itemgetter(0))


def entities(schema: EntitySchema[Any], known: Fields, tenant: TenantId) -> SearchStrategy[Any]:
    """Whole entities, as an export holds them, with fields as `fields` gives them."""
    return _made(schema.entity, {**known, "tenant_id": st.just(tenant)})


def drafts(schema: EntitySchema[Any], known: Fields) -> SearchStrategy[Any]:
    """Drafts by the entity's `draft`, of known fields; ids are minted unless they are known."""
    draft: Callable[..., Any] = getattr(schema.entity, "draft")  # noqa: B009  # not of `Entity`
    asked = inspect.signature(draft).parameters.keys() & known.keys()
    return _made(draft, {name: known[name] for name in sorted(asked)})


def patches(schema: EntitySchema[Any], known: Fields) -> SearchStrategy[dict[str, Any]]:
    """Patches of some of what may be patched, None included."""
    held = {name: known[name] for name in sorted(schema.patchable & known.keys())}
    return st.fixed_dictionaries({}, optional=held).filter(bool)
