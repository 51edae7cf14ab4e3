"""What an audit entry must say, worked out by itself: from the entities that a contract wrote."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from enum import Enum
from hashlib import sha256
from json import dumps
from typing import Any
from uuid import UUID

import attrs
import pytest

from domain.audit import AuditAction, AuditEntry, FieldChange
from domain.definitions import FlowDefinition
from domain.documents import JsonObject, thaw
from domain.frozen import FrozenDict
from domain.secrets import Secret
from ports.contracts.exact import exact
from ports.contracts.groups import Group
from ports.contracts.subjects import SUBJECTS, Entity, Subject
from ports.stores import TenantScope

AUTHORED = [subject for subject in SUBJECTS if subject.group is Group.AUTHORING]
each_authored = pytest.mark.parametrize("authored", AUTHORED, ids=[s.name for s in AUTHORED])
"""The contract runs on every type of entity whose changes are audited, as `authored`."""

_NEVER = ("id", "tenant_id", "revision", "updated_at")


def created(subject: Subject, entity: Entity) -> dict[str, FieldChange]:
    """What the entry of its creation says."""
    return {
        name: FieldChange(None, after) for name, after in document_of(subject, entity, sparse=True)
    }


def deleted(subject: Subject, entity: Entity) -> dict[str, FieldChange]:
    """What the entry of its deletion says."""
    return {
        name: FieldChange(before, None)
        for name, before in document_of(subject, entity, sparse=True)
    }


def updated(subject: Subject, before: Entity, after: Entity) -> dict[str, FieldChange]:
    """What the entry of a change from one to the other says."""
    old, new = dict(document_of(subject, before)), dict(document_of(subject, after))
    return {
        name: FieldChange(old[name], new[name])
        for name in old
        if dumps(old[name], sort_keys=True) != dumps(new[name], sort_keys=True)
        or (isinstance(getattr(before, name), Secret) and _differ(before, after, name))
    }


def document_of(subject: Subject, entity: Entity, *, sparse: bool = False) -> list[tuple[str, Any]]:
    """The fields of an entity that the trail tells of, as JSON; `sparse`: those worth telling."""
    found: list[tuple[str, Any]] = []
    for field in attrs.fields(subject.schema.entity):
        if field.name in _NEVER or field.name in subject.schema.maintained:
            continue
        value = getattr(entity, field.name)
        if sparse and (value is None or value == _default(field)):
            continue
        found.append((field.name, _json(value)))
    return found


def reordered(value: Any) -> Any:
    """An equal value, the keys of whose documents stand in another order, at every depth."""
    if isinstance(value, JsonObject):
        return JsonObject.of(_reversed(thaw(value)))
    if isinstance(value, tuple):
        return tuple(map(reordered, value))
    if isinstance(value, Mapping):
        return FrozenDict(_reversed({name: reordered(item) for name, item in value.items()}))
    if attrs.has(type(value)) and not isinstance(value, Secret):
        parts = {name: getattr(value, name) for name in attrs.fields_dict(type(value))}
        return attrs.evolve(value, **{name: reordered(part) for name, part in parts.items()})
    return value


def said(changes: Mapping[str, FieldChange]) -> Any:
    """Changes in comparable form, to the letter."""
    plain = {
        name: [thaw(change.before), thaw(change.after)] for name, change in sorted(changes.items())
    }
    return exact(plain)


def digest_of(entry: AuditEntry, previous: str) -> str:
    """The digest of a sealed entry by the description alone."""
    members = {
        "form": 1,
        "previous": previous,
        "sequence": entry.sequence,
        "position": entry.position,
        "revision": entry.revision,
        "id": str(entry.id),
        "tenant_id": entry.tenant_id,
        "actor": entry.actor,
        "reason": entry.reason,
        "action": str(entry.action),
        "entity_type": entry.entity_type,
        "entity_id": str(entry.entity_id),
        "at": f"{entry.at:%Y-%m-%dT%H:%M:%S}.{entry.at.microsecond // 1000:03}Z",
        "changes": {name: [change.before, change.after] for name, change in entry.changes.items()},
    }
    encoded = dumps(members, sort_keys=True, separators=(",", ":"))
    return sha256(encoded.encode()).hexdigest()


def retold(subject: Subject, trail: Iterable[AuditEntry]) -> dict[Any, tuple[int, dict[str, Any]]]:
    """The revision and fields of every entity that there is, by its trail alone.

    `trail` is by position. Each entry must go on from what those before it say.
    """
    told: dict[Any, tuple[int, dict[str, Any]]] = {}
    for entry in trail:
        if entry.entity_type != subject.name:
            continue
        if entry.action is AuditAction.CREATED:
            assert entry.entity_id not in told
            revision, fields = entry.revision, _blank(subject)
        else:
            before, fields = told.pop(entry.entity_id)
            revision = before if entry.action is AuditAction.DELETED else before + 1
        for name, change in entry.changes.items():
            if name in subject.schema.maintained:
                continue  # told where somebody set it, and changed without a word where it counts
            if entry.action is not AuditAction.CREATED:
                assert exact(thaw(change.before)) == exact(fields[name])
            fields[name] = thaw(change.after)
        assert entry.revision == revision
        if entry.action is not AuditAction.DELETED:
            told[entry.entity_id] = revision, fields
    return told


async def trail_of(scope: TenantScope, entity_id: Any = None) -> list[AuditEntry]:
    """What a tenant's trail holds, of one entity or of all, by position."""
    audit = scope.audit
    wanted = None if entity_id is None else audit.where("entity_id").eq(entity_id)
    return [entry async for entry in audit.stream(wanted, "position")]


def _blank(subject: Subject) -> dict[str, Any]:
    """The fields of an entity of which nobody said anything."""
    fields = attrs.fields_dict(subject.schema.entity)
    return {
        name: None if fields[name].default is attrs.NOTHING else _json(_default(fields[name]))
        for name in fields.keys() - subject.schema.maintained - set(_NEVER)
    }


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _reversed(value[name]) for name in reversed(value)}
    return [_reversed(item) for item in value] if isinstance(value, list) else value


def _differ(before: Entity, after: Entity, name: str) -> bool:
    return bool(getattr(before, name) != getattr(after, name))


def _default(field: Any) -> Any:
    default = field.default
    return default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]  # a class, to run time


def _json(value: Any) -> Any:
    if isinstance(value, Secret):
        return "***"
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return f"{value.isoformat(timespec='milliseconds')[:23]}Z"
    if isinstance(value, UUID | date):
        return str(value)
    if isinstance(value, FlowDefinition):
        return _definition(value)
    if isinstance(value, JsonObject):
        return thaw(value)
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _json(item) for name, item in value.items()}
    if attrs.has(type(value)):
        return {part.name: _json(getattr(value, part.name)) for part in attrs.fields(type(value))}
    return value


def _definition(value: Any) -> Any:
    """A definition's parts are told without what is at its default."""
    if isinstance(value, JsonObject):
        return thaw(value)
    if isinstance(value, tuple):
        return [_definition(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _definition(item) for name, item in value.items()}
    if attrs.has(type(value)):
        return {
            part.name: _definition(getattr(value, part.name))
            for part in attrs.fields(type(value))
            if getattr(value, part.name) != _default(part)
        }
    return value.value if isinstance(value, Enum) else value
