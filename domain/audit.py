"""The audit trail: who changed what, when, and from what to what; chained by hashes.

**The digest.** Each sealed entry has one: SHA-256, as 64 lower-case hexadecimal digits, over the
UTF-8 bytes of one JSON object with these members:

- `form`: the number 1, this form of it;
- `previous`: the digest of the entry before it in the tenant's chain; before the first one that is
  64 zeros;
- `sequence`, `position` and `revision`: numbers;
- `id`, `tenant_id`, `actor`, `reason`, `action`, `entity_type` and `entity_id`: texts (UUIDs with
  hyphens, in lower case), or null;
- `at`: text, ISO 8601 in UTC with three digits of milliseconds and a `Z`;
- `changes`: an object of an array `[before, after]` for each field.

It is written as Python's `json.dumps(document, sort_keys=True, separators=(",", ":"))` does:
members by code point at every depth, no white space; non-ASCII as `\\uXXXX` in lower case, in pairs
beyond the basic plane; integers in decimal; a floating number is its shortest text that reads back
as the same double, always with a point or an exponent (`1.0`, `1e+16`, `1e-07`, `-0.0`).
"""

import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Self
from uuid import UUID

from attrs import field, frozen

from domain.deferred import Deferrable
from domain.documents import JsonObject
from domain.errors import Fault, ValidationError, key_step
from domain.frozen import FrozenDict
from domain.identity import REASON, REVISION, TENANT, USER, TenantId, UserId
from domain.rules import (
    Value,
    instant,
    matching,
    one_of,
    optional,
    restored,
    rule,
    text,
    uuid,
    whole,
)

_FORM = 1
_MAX_BYTES = 2**40
"""None to speak of: an entity's own fields have limits."""
_MAX_DEPTH = 64
"""More than any field reaches: a definition holds documents, which have a limit of their own."""
_DIGEST = matching(r"[0-9a-f]{64}", "must be 64 hexadecimal digits in lower case")
_FIELD = text(100, min_length=1)


class AuditAction(StrEnum):
    """What happened to an entity."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


@frozen
class FieldChange:
    """A field's value before and after, in the form of JSON. None where there was none."""

    before: Any
    after: Any


def _changes(candidate: object) -> FrozenDict[str, FieldChange]:
    if not isinstance(candidate, Mapping):
        raise ValueError("must be changes by field")
    kept: dict[str, FieldChange] = {}
    faults: list[Fault] = []
    for name, change in candidate.items():
        try:
            if not isinstance(change, FieldChange):
                raise ValueError("must be a FieldChange")
            sides = {"before": change.before, "after": change.after}
            kept_sides = JsonObject.of(sides, max_bytes=_MAX_BYTES, max_depth=_MAX_DEPTH)
            kept[_FIELD(name)] = FieldChange(kept_sides["before"], kept_sides["after"])
        except ValidationError as error:
            faults.extend(fault.under(key_step(name)) for fault in error.faults)
        except ValueError as error:
            faults.append(Fault(key_step(name), str(error)))
    if faults:
        raise ValidationError("changes", faults)
    return FrozenDict.holding(kept)


@frozen(kw_only=True, slots=False)
class AuditEntry(Deferrable, Value):
    """One change of one entity.

    `changes`: of an entity that was created, every field that isn't None or at its default, from
    None; of one that was deleted, the same, to None; of one that was updated, the fields that
    changed, which may be none. Never in it are the entity's id, tenant, revision and `updated_at`,
    nor, unless somebody set it, what the store counts by itself. Values are JSON: a UUID is its
    text, a time ISO 8601 in UTC with milliseconds and a `Z`, an enumeration its value, a value of
    several parts an object of them; a secret is `domain.secrets.MASK` on either side, so that one
    sees that it changed and no more. A field changed if its JSON did, the order of keys aside.

    `revision` is the entity's after the change; that of one that was deleted is its last.
    `position` rises with each entry of an entity, in the order of their writing; between those of
    different entities there may be gaps and, by what is written at the same time, another order
    than that of their commits.
    `sequence` and `digest` are its place in the tenant's chain, None until it is sealed.
    """

    id: UUID = field(metadata=rule(uuid))
    tenant_id: TenantId = field(metadata=rule(TENANT))
    at: datetime = field(metadata=rule(instant))
    actor: UserId | None = field(default=None, metadata=rule(optional(USER)))
    reason: str | None = field(default=None, metadata=rule(optional(REASON)))
    action: AuditAction = field(metadata=rule(one_of(AuditAction)))
    entity_type: str = field(metadata=rule(text(50, min_length=1)))
    entity_id: UUID = field(metadata=rule(uuid))
    revision: int = field(metadata=rule(REVISION))
    changes: Mapping[str, FieldChange] = field(default=FrozenDict(), metadata=rule(_changes))
    position: int = field(metadata=rule(whole(1)))
    sequence: int | None = field(default=None, metadata=rule(optional(whole(1))))
    digest: str | None = field(default=None, metadata=rule(optional(_DIGEST)))

    @property
    def is_sealed(self) -> bool:
        """Whether it has its place in the chain."""
        return self.sequence is not None

    def digest_at(self, sequence: int, previous: str) -> str:
        """The digest that it has at a place of the chain, after the entry with that digest."""
        document = {
            "form": _FORM,
            "previous": previous,
            "sequence": sequence,
            "position": self.position,
            "revision": self.revision,
            "id": str(self.id),
            "tenant_id": self.tenant_id,
            "at": instant_text(self.at),
            "actor": self.actor,
            "reason": self.reason,
            "action": self.action.value,
            "entity_type": self.entity_type,
            "entity_id": str(self.entity_id),
            "changes": {
                name: [change.before, change.after] for name, change in self.changes.items()
            },
        }
        return sha256(canonical(document).encode()).hexdigest()

    def sealed(self, sequence: int, digest: str) -> Self:
        """This entry at its place in the chain, with what `digest_at` gives for it."""
        return restored(type(self), {**vars(self), "sequence": sequence, "digest": digest})


@frozen(kw_only=True, slots=False)
class AuditHead(Value):
    """Where a tenant's chain ends: the last entry's sequence and digest.

    Kept elsewhere, it shows later whether the chain still holds what it held then. Its text is
    `<sequence>:<digest>`.
    """

    sequence: int = field(metadata=rule(whole()))
    digest: str = field(metadata=rule(_DIGEST))

    @classmethod
    def parse(cls, written: str) -> Self:
        """The head whose text this is.

        Raises:
            ValidationError: if it is none.
        """
        sequence, _, digest = written.partition(":")
        plain = sequence.isascii() and sequence.isdigit() and len(sequence) < 20
        return cls(sequence=int(sequence) if plain else -1, digest=digest)

    def __str__(self) -> str:
        return f"{self.sequence}:{self.digest}"

    def followed_by(self, entry: AuditEntry) -> "tuple[AuditEntry, AuditHead]":
        """`entry` sealed as the next one, and the head that the chain then has."""
        sequence = self.sequence + 1
        digest = entry.digest_at(sequence, self.digest)
        return entry.sealed(sequence, digest), AuditHead(sequence=sequence, digest=digest)


NO_ENTRY = AuditHead(sequence=0, digest="0" * 64)
"""The head of a chain without entries."""


def canonical(document: object) -> str:
    """A JSON value in the one form in which digests are taken and values are compared."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def instant_text(at: datetime) -> str:
    """A time in UTC, in whole milliseconds, as JSON has it.

    Any other isn't one that was kept, and so has another text: that it was altered shows.
    """
    precision = "microseconds" if at.microsecond % 1_000 else "milliseconds"
    return at.isoformat(timespec=precision).removesuffix("+00:00") + "Z"
