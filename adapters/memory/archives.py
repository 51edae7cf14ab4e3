"""Archives in memory: what a tenant has, read as it stands at one moment, and put back."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any, ClassVar, Final

from adapters.memory.audit import ANCHORS, ENTRIES, HEADS, UNSEALED, in_turn
from adapters.memory.experiments import ASSIGNMENTS, KEYS, OUTCOMES, UnitOutcome, UsedKey
from adapters.memory.flows import METRICS, VERSIONS
from adapters.memory.integrations import CALLS
from adapters.memory.outbox import after_position
from adapters.memory.session import SingleSession
from adapters.memory.tables import Tables, Transaction
from adapters.sealing import Vault
from domain.identity import TenantId, tenant_id
from domain.integrations import Integration
from domain.records import OutcomeKey
from domain.records import UnitOutcome as Outcome
from domain.rules import restored
from ports import archives as kinds
from ports.archives import Archive, Batch, Key, Put, Record, RecordKind
from ports.errors import DuplicateEntityError
from ports.gate import OPEN, Gate
from ports.secrets import SecretBox

_PAGE: Final = 1_000
_ENDS: Final = {kinds.AUDIT_ANCHOR: ANCHORS, kinds.AUDIT_HEAD: HEADS}
TABLES: Final[Mapping[RecordKind, str]] = {
    kinds.FLOWS: "flow",
    kinds.FLOW_VERSIONS: VERSIONS,
    kinds.FLOW_METRICS: METRICS,
    kinds.EXPERIMENTS: "experiment",
    kinds.ASSIGNMENTS: ASSIGNMENTS,
    kinds.OUTCOMES: OUTCOMES,
    kinds.OUTCOME_KEYS: KEYS,
    kinds.INTEGRATIONS: "integration",
    kinds.CALLS: CALLS,
    kinds.AUDIT_ENTRIES: ENTRIES,
    **_ENDS,
}


class MemoryAuthoringArchive(Archive):
    """Authoring data; everything is of the moment at which it is first read."""

    kinds: ClassVar[tuple[RecordKind, ...]] = kinds.AUTHORING_KINDS

    def __init__(
        self,
        tables: Callable[[TenantId], Tables],
        secrets: SecretBox | None = None,
        gate: Gate = OPEN,
    ) -> None:
        super().__init__(gate)
        self._tables = tables
        self._secrets = secrets

    async def read(self, tenant: TenantId) -> AsyncGenerator[Batch, None]:
        named = tenant_id(tenant)
        view = Transaction(self._tables(named))
        view.watch()
        try:
            for kind in self.kinds:
                rows = list(view.values(TABLES[kind]))
                records = [_record(named, kind, row) for row in rows]
                records.sort(key=_chain_order if kind is kinds.AUDIT_ENTRIES else kind.key_of)
                for start in range(0, len(records), _PAGE):
                    yield kind, records[start : start + _PAGE]
        finally:
            view.end()

    async def _put(
        self, tenant: TenantId, kind: RecordKind, records: Sequence[Record]
    ) -> Sequence[Put]:
        tables = self._tables(tenant)
        with SingleSession(tables).writing() as transaction:
            put = [self._added(tenant, transaction, kind, record) for record in records]
        if kind is kinds.CALLS:
            _in_order(tables)
        if kind is kinds.AUDIT_ENTRIES:
            after_position(max(entry.position for entry in records))
        return put

    def _added(
        self, tenant: TenantId, transaction: Transaction, kind: RecordKind, record: Record
    ) -> Put:
        name = TABLES[kind]
        table = transaction.table(name)
        if kind in _ENDS:
            if transaction.get(name, 0) is not None:
                return Put.HELD
            transaction.insert(name, record)
            return Put.ADDED
        row = self._row(tenant, kind, record)
        if transaction.get(name, table.key(row)) is not None:
            return Put.HELD
        if table.parent and table.group is not None:
            if transaction.get(table.parent, table.group(row)) is None:
                return Put.ORPHAN
            if kind is kinds.CALLS and _is_taken(transaction, row):
                return Put.HELD
        try:
            transaction.insert(name, row)
        except DuplicateEntityError:
            return Put.HELD
        if kind is kinds.AUDIT_ENTRIES and not row.is_sealed:
            transaction.append(UNSEALED, in_turn(row), row)
        return Put.ADDED

    def _row(self, tenant: TenantId, kind: RecordKind, record: Record) -> Any:
        if kind is kinds.INTEGRATIONS and record.credentials is not None and self._secrets:
            vault = Vault(self._secrets, tenant, "integration", "credentials")
            sealed = vault.sealed(record.id, record.credentials)
            return restored(Integration, {**vars(record), "credentials": sealed})
        if kind is kinds.OUTCOMES:
            fields = {name: getattr(record, name) for name in (*kind.key, "variant", "recorded")}
            return UnitOutcome(**fields, total=Fraction(record.total))
        if kind is kinds.OUTCOME_KEYS:
            content = (record.unit, record.metric, record.value)
            return UsedKey(experiment_id=record.experiment_id, key=record.key, content=content)
        return record

    async def _found(
        self, tenant: TenantId, kind: RecordKind, records: Sequence[Record]
    ) -> Mapping[Key, Record]:
        view = Transaction(self._tables(tenant))
        name, found = TABLES[kind], dict[Key, Record]()
        for record in records:
            if kind is kinds.CALLS:
                places = view.table(name).places.get(record.integration_id, {})
                row = places.get(record.sequence)
            elif kind in _ENDS:
                row = view.get(name, 0)
            else:
                row = view.get(name, view.table(name).key(self._row(tenant, kind, record)))
            if row is not None:
                found[kind.key_of(record)] = _record(tenant, kind, row)
        return found


def _record(tenant: TenantId, kind: RecordKind, row: Any) -> Record:
    if kind is kinds.OUTCOMES:
        fields = {name: getattr(row, name) for name in (*kind.key, "variant", "recorded")}
        return Outcome(tenant_id=tenant, total=_decimal(row.total), **fields)
    if kind is kinds.OUTCOME_KEYS:
        unit, metric, value = row.content
        return OutcomeKey(
            tenant_id=tenant,
            experiment_id=row.experiment_id,
            key=row.key,
            unit=unit,
            metric=metric,
            value=value,
        )
    return row


def _chain_order(entry: Any) -> tuple[bool, int, int, Any]:
    """By place in the chain; then what isn't sealed, in the order in which it will be."""
    return entry.sequence is None, entry.sequence or 0, entry.position, entry.id


def _decimal(total: Fraction) -> Decimal:
    """A sum of decimal numbers, which is one."""
    with localcontext(prec=2_000):
        return Decimal(total.numerator) / Decimal(total.denominator)


def _is_taken(transaction: Transaction, call: Any) -> bool:
    """Whether there is a call of that number."""
    held = transaction.table(CALLS).places.get(call.integration_id, {})
    written = transaction.writes.get(CALLS, {}).values()
    place = call.integration_id, call.sequence
    return call.sequence in held or any(
        place == (row.integration_id, row.sequence) for row in written
    )


def _in_order(tables: Tables) -> None:
    """Logs are read from their ends, in the order in which their places were put there."""
    places = tables.tables[CALLS].places
    for log, held in places.items():
        numbers = list(held)
        if numbers != (ordered := sorted(numbers)):
            places[log] = {number: held[number] for number in ordered}
