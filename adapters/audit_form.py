"""What an audit entry says of an entity's fields: the same, whichever store found it out."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import Enum
from functools import cache
from typing import Any, Final
from uuid import UUID

import attrs

from adapters.mapping import definition_document
from adapters.sealing import same_sealed
from domain.audit import FieldChange, canonical, instant_text
from domain.definitions import FlowDefinition
from domain.documents import JsonArray, JsonObject, freeze
from domain.frozen import FrozenDict
from domain.secrets import MASK, Secret
from ports.errors import RepositoryError
from ports.schema import EntitySchema

_NEVER: Final = frozenset({"id", "tenant_id", "revision", "updated_at"})
_AS_IT_IS: Final = frozenset({str, int, bool, float, type(None), JsonObject, JsonArray})
_COMPARED: Final = frozenset({str, int, bool, type(None), UUID, datetime, date})
"""Their values are equal if, and only if, their JSON is."""


class AuditForm:
    """The changes of one type of entity."""

    def __init__(self, schema: EntitySchema[Any]) -> None:
        self._defaults = {
            field.name: _default(field)
            for field in attrs.fields(schema.entity)
            if field.name not in _NEVER | schema.maintained
        }
        self._maintained = tuple(sorted(schema.maintained))

    @property
    def maintained(self) -> tuple[str, ...]:
        """The fields that only an entry of a change may tell of: somebody set what the store else
        counts by itself.
        """
        return self._maintained

    @property
    def defaults(self) -> Mapping[str, Any]:
        """The fields that an entry may tell of, and what each is if nobody says; None if that must
        be said.
        """
        return self._defaults

    def created(self, entity: Any) -> FrozenDict[str, FieldChange]:
        """What the entry of an entity's creation says."""
        said = self._said(entity).items()
        return FrozenDict.holding({name: FieldChange(None, shown(value)) for name, value in said})

    def deleted(self, entity: Any) -> FrozenDict[str, FieldChange]:
        """What the entry of an entity's deletion says."""
        said = self._said(entity).items()
        return FrozenDict.holding({name: FieldChange(shown(value), None) for name, value in said})

    def updated(self, before: Any, after: Any) -> FrozenDict[str, FieldChange]:
        """What the entry of a change says: nothing, if it changed none of the fields."""
        changes: dict[str, FieldChange] = {}
        for name in (*self._defaults, *self._maintained):
            old, new = getattr(before, name), getattr(after, name)
            if not same(old, new):
                changes[name] = FieldChange(shown(old), shown(new))
        return FrozenDict.holding(changes)

    def _said(self, entity: Any) -> dict[str, Any]:
        values = {name: getattr(entity, name) for name in self._defaults}
        return {
            name: value
            for name, value in values.items()
            if value is not None and not same(value, self._defaults[name])
        }


@cache
def form_of(schema: EntitySchema[Any]) -> AuditForm:
    """The one form of a type of entity."""
    return AuditForm(schema)


def shown(value: Any) -> Any:
    """A field's value as an entry has it, in immutable JSON.

    Raises:
        TypeError: for a kind of value that entities don't have.
    """
    return freeze(_plain(value))


def same(one: Any, other: Any) -> bool:
    """Whether two values of a field are the same to the audit trail."""
    if one is other:
        return True
    kind = type(one)
    if kind is not type(other):
        return False
    if kind in _COMPARED or isinstance(one, Enum):
        return bool(one == other)
    if kind is Secret:
        if (known := same_sealed(one, other)) is not None:
            return known
        try:
            return bool(one == other)
        except RepositoryError:  # it can't be decrypted, here and now
            return False
    return canonical(_plain(one)) == canonical(_plain(other))


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind in _AS_IT_IS:
        return value
    if kind is Secret:
        return MASK
    if kind is datetime:
        return instant_text(value)
    if isinstance(value, Enum):
        return _plain(value.value)
    if kind is UUID:
        return str(value)
    if kind is FlowDefinition:
        return definition_document(value)
    if kind is date:
        return value.isoformat()
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if attrs.has(kind):
        return {field.name: _plain(getattr(value, field.name)) for field in attrs.fields(kind)}
    raise TypeError(f"no form is known for a {kind.__name__} of an entity")


def _default(field: Any) -> Any:
    if field.default is attrs.NOTHING:
        return None
    return field.default.factory() if isinstance(field.default, attrs.Factory) else field.default  # type: ignore[arg-type]  # a class, to run time
