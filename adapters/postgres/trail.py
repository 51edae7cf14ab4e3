"""Statements that change entities, and tell of it: one statement does all of it, or nothing.

Each of them writes, beside the change, an audit entry and an outbox row for every entity that it
changed. What changed is found by the server, field by field, so that no more than the change goes
over the wire and the values from before are those that the change met. Parameters that begin with
`trail_` say who did it, when, under which id, and which secrets were merely sealed anew.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import attrs
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adapters.audit_form import form_of
from adapters.postgres.audit_tables import AUDIT_ENTRIES
from adapters.postgres.columns import JSON, TEXT
from adapters.postgres.mapper import columns_of
from adapters.postgres.outbox_tables import OUTBOX
from adapters.postgres.statements import given
from domain.audit import AuditAction
from domain.identity import Author
from domain.secrets import MASK
from ports.schema import EntitySchema

_EVENT: Final = ("tenant_id", "id", "at", "actor", "action", "entity_type", "entity_id", "revision")
_UUID = postgresql.UUID(as_uuid=True)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_FIRST_MOMENT = "'0001-01-01T00:00:00Z'::timestamptz"
"""What the driver keeps as -infinity, which has no digits."""
_TIME_FORM = r"""'"\""YYYY-MM-DD"T"HH24:MI:SS.MS"Z\""'"""


def told(author: Author, at: datetime, id: UUID) -> dict[str, Any]:
    """The values of the parameters with which a statement that changes one entity tells of it."""
    return {
        "trail_id": id,
        "trail_at": at,
        "trail_actor": author.actor,
        "trail_reason": author.reason,
    }


def told_of_all(author: Author, at: datetime) -> dict[str, Any]:
    """The same for a statement that changes any number; their ids are made by the server."""
    milliseconds = max(0, (at - _EPOCH) // timedelta(milliseconds=1))
    return {
        "trail_stamp": milliseconds.to_bytes(6, "big"),
        "trail_at": at,
        "trail_actor": author.actor,
        "trail_reason": author.reason,
    }


def stood(name: str) -> str:
    """The parameter of what a secret's column held, as far as its caller knows, if what is written
    to it has the same content."""
    return f"trail_{name}_stood"


@attrs.frozen
class _Told:
    """A field as the trail tells it."""

    name: str
    kind: Any
    secret: bool
    default: str | None
    """A literal of what isn't worth telling when an entity comes or goes; None: only null isn't."""

    def compared(self, row: str) -> str:
        """What is compared: to the letter where SQL's own equality would say less, or isn't."""
        cast = "::text" if isinstance(self.kind, sa.JSON | sa.Double) else ""
        return f"{row}.{self.name}{cast}"

    def changed(self, before: str, after: str) -> str:
        """Whether it is another than before: not if a secret was only sealed anew."""
        differs = f"{self.compared(before)} IS DISTINCT FROM {self.compared(after)}"
        if self.secret:
            differs += f" AND {self.compared(before)} IS DISTINCT FROM {before}.{stood(self.name)}"
        return differs

    def shown(self, row: str) -> str:
        """Its value as a text of JSON, never null."""
        column = f"{row}.{self.name}"
        if self.secret:
            text = f"CASE WHEN {column} IS NOT NULL THEN '\"{MASK}\"' END"
        elif isinstance(self.kind, sa.JSON):
            text = f"{column}::text"
        elif isinstance(self.kind, sa.Double):
            text = f"regexp_replace({column}::text, '^-?[0-9]+$', '\\&.0')"
        elif isinstance(self.kind, sa.TIMESTAMP):
            moment = f"CASE {column} WHEN '-infinity' THEN {_FIRST_MOMENT} ELSE {column} END"
            text = f"to_char(({moment}) AT TIME ZONE 'UTC', {_TIME_FORM})"
        elif isinstance(self.kind, sa.Date):
            day = f"CASE {column} WHEN '-infinity' THEN '0001-01-01' ELSE {column} END"
            text = f"to_json({day})::text"
        else:
            text = f"to_json({column})::text"
        return f"coalesce({text}, 'null')"

    def kept(self, row: str) -> str:
        """Whether it is worth telling when an entity comes or goes."""
        if self.default is None:
            return f"{row}.{self.name} IS NOT NULL"
        # Null where it is null, which counts as false.
        return f"{self.compared(row)} <> {self.default}"


def _fields(schema: EntitySchema[Any]) -> Iterator[_Told]:
    columns = columns_of(schema.entity, schema.name)
    for name, default in form_of(schema).defaults.items():
        codec, _ = columns[name]
        if default is None:
            literal = None
        else:
            literal = _default(
                default if codec.encode is None else codec.encode(default), codec.sql
            )
        yield _Told(name, codec.sql, codec.secret, literal)


def _counted(schema: EntitySchema[Any]) -> Iterator[_Told]:
    """What an entry tells only where a statement sets it."""
    columns = columns_of(schema.entity, schema.name)
    for name in form_of(schema).maintained:
        codec, _ = columns[name]
        yield _Told(name, codec.sql, codec.secret, None)


def _default(value: Any, kind: Any) -> str:
    if isinstance(kind, sa.Double):
        return f"{_quoted(repr(value))}::float8::text"
    if isinstance(kind, sa.ARRAY):
        return _quoted(array_text(value))
    return _quoted(str(value).lower() if isinstance(value, bool) else str(value))


def array_text(items: Iterable[str]) -> str:
    """Texts as PostgreSQL writes an array of them."""
    quoted = (item.replace("\\", "\\\\").replace('"', '\\"') for item in items)
    return "{" + ",".join(f'"{item}"' for item in quoted) + "}"


def _quoted(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


class Trail:
    """What the statements on one table tell. Each gives what is to be returned of the rows that it
    changed or, if that is nothing, their number in its tag.
    """

    def __init__(self, schema: EntitySchema[Any], table: sa.Table) -> None:
        self._type = schema.name
        self._table = table
        self._fields = {field.name: field for field in _fields(schema)}
        counted = {field.name: field for field in _counted(schema)}
        self._settable = self._fields | counted

    def inserted(self, insert: Any, *returning: Any, many: bool = False) -> Any:
        """Adds rows."""
        changes = _object(
            f"CASE WHEN {field.kept(self._table.name)} THEN"
            f" '\"{field.name}\":[null,' || {field.shown(self._table.name)} || ']' END"
            for field in self._fields.values()
        )
        changed = insert.returning(*self._changed(changes), *returning).cte("changed")
        return self._telling(changed, AuditAction.CREATED, returning, many)

    def updated(
        self,
        matches: sa.Select[Any],
        conditions: Sequence[Any],
        values: Mapping[str, Any],
        *returning: Any,
        many: bool = False,
    ) -> Any:
        """Sets columns of the rows whose ids `matches` gives, under `conditions`, and locks.

        What the rows held before is read where they are locked: of a row that another transaction
        was changing that is what it left, as for a plain UPDATE.
        """
        table = self._table
        fields = [field for name, field in self._settable.items() if name in values]
        standing = [
            given(stood(f.name), sa.Text()).label(stood(f.name)) for f in fields if f.secret
        ]
        read = matches.add_columns(
            table.c.tenant_id, *(table.c[field.name] for field in fields), *standing
        )
        before = read.with_for_update(key_share=True).cte("before")
        changes = _object(
            f"CASE WHEN {field.changed('before', table.name)} THEN"
            f" '\"{field.name}\":[' || {field.shown('before')} || ','"
            f" || {field.shown(table.name)} || ']' END"
            for field in fields
        )
        changed = (
            sa.update(table)
            .values(values)
            .where(
                *conditions,
                # By whole keys, and no tenant's name beside them: of a tenant that it doesn't know
                # the planner expects a single row, and would read all of the tenant's for each.
                table.c.tenant_id == before.c.tenant_id,
                table.c.id == before.c.id,
            )
            .returning(*self._changed(changes), *returning)
            .cte("changed")
        )
        return self._telling(changed, AuditAction.UPDATED, returning, many)

    def deleted(self, delete: Any, *, many: bool = False) -> Any:
        """Removes rows."""
        changes = _object(
            f"CASE WHEN {field.kept(self._table.name)} THEN"
            f" '\"{field.name}\":[' || {field.shown(self._table.name)} || ',null]' END"
            for field in self._fields.values()
        )
        changed = delete.returning(*self._changed(changes)).cte("changed")
        return self._telling(changed, AuditAction.DELETED, (), many)

    def _changed(self, changes: str) -> Sequence[Any]:
        columns = self._table.c
        told = sa.literal_column(changes, JSON).label("changes")
        return columns.tenant_id, columns.id.label("id"), columns.revision.label("revision"), told

    def _telling(
        self, changed: sa.CTE, action: AuditAction, returning: Sequence[Any], many: bool
    ) -> Any:
        entry = {
            "tenant_id": changed.c.tenant_id,
            "id": _made_id() if many else given("trail_id", _UUID),
            "at": given("trail_at", AUDIT_ENTRIES.c.at.type),
            "actor": given("trail_actor", sa.Text()),
            "action": _literal(action.value),
            "entity_type": _literal(self._type),
            "entity_id": changed.c.id,
            "revision": changed.c.revision,
            "reason": given("trail_reason", sa.Text()),
            "changes": changed.c.changes,
        }
        written = (
            sa.insert(AUDIT_ENTRIES)
            .from_select(list(entry), sa.select(*entry.values()))
            .returning(*(AUDIT_ENTRIES.c[name] for name in _EVENT))
            .cte("entry")
        )
        event = sa.insert(OUTBOX).from_select(_EVENT, sa.select(*(written.c[n] for n in _EVENT)))
        if not returning:
            return event
        return sa.select(*list(changed.c)[4:]).add_cte(event.cte("event"))


def _object(members: Iterable[str]) -> str:
    """A JSON object of members that are written out; null ones are left out."""
    written = ", ".join(members)
    return f"('{{' || concat_ws(',', {written}) || '}}')::json" if written else "'{}'::json"


def _literal(text: str) -> Any:
    return sa.literal_column(_quoted(text), TEXT)


def _whole(number: int) -> Any:
    return sa.literal_column(str(number), sa.Integer())


def _made_id() -> Any:
    """A UUIDv7 (RFC 9562, section 5.7): six bytes of milliseconds, and what gen_random_uuid made,
    whose version 4 becomes a 7 by two bits more.
    """
    random = sa.func.substr(sa.func.uuid_send(sa.func.gen_random_uuid()), _whole(7))
    made = given("trail_stamp", sa.LargeBinary()).op("||")(random)
    for bit in (52, 53):
        made = sa.func.set_bit(made, _whole(bit), _whole(1))
    return sa.cast(sa.func.encode(made, sa.literal_column("'hex'", TEXT)), _UUID)
