"""The archive of authoring data in PostgreSQL."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, Final

from adapters.postgres.archive_statements import ADVANCE, SHELVES, Shelf
from adapters.postgres.audit import PostgresAuditLog
from adapters.postgres.autocommit import PoolExecutor
from adapters.postgres.errors import ConstraintBroken, Undecodable
from adapters.postgres.executor import Executor
from adapters.postgres.pool import Pool
from adapters.postgres.transaction import SNAPSHOT, TransactionExecutor
from adapters.sealing import Vault, token_of
from domain.audit import AuditEntry
from domain.identity import TenantId, tenant_id
from domain.integrations import Integration
from domain.rules import restored
from ports import archives as kinds
from ports.archives import Archive, Batch, Key, Put, Record, RecordKind
from ports.errors import CorruptRecordError, RepositoryError
from ports.gate import OPEN, Gate
from ports.reading import Context
from ports.secrets import SecretBox
from ports.time import Clock, IdGenerator

_PAGE: Final = 200
_READING: Final = f"{SNAPSHOT} READ ONLY"


class PostgresArchive(Archive):
    """Authoring data; all of it is read in one snapshot, whoever writes meanwhile.

    For as long as that takes it keeps a connection of the pool, and the server what others replace
    meanwhile.
    """

    kinds: ClassVar[tuple[RecordKind, ...]] = kinds.AUTHORING_KINDS

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        ids: IdGenerator,
        secrets: SecretBox | None = None,
        gate: Gate = OPEN,
    ) -> None:
        super().__init__(gate)
        self._pool = pool
        self._clock = clock
        self._ids = ids
        self._secrets = secrets

    async def read(self, tenant: TenantId) -> AsyncGenerator[Batch, None]:
        named = tenant_id(tenant)
        executor = TransactionExecutor(self._pool, _READING, named)
        async with executor.whole():
            for kind in self.kinds:
                pages = (
                    self._trail(executor, named)
                    if kind is kinds.AUDIT_ENTRIES
                    else self._pages(executor, named, kind)
                )
                async for page in pages:
                    yield kind, page

    async def _pages(
        self, executor: Executor, tenant: TenantId, kind: RecordKind
    ) -> AsyncIterator[Sequence[Record]]:
        shelf, values = SHELVES[kind], {"tenant": tenant, "limit": _PAGE}
        statement = shelf.page
        while True:
            rows = await _read(executor, kind, statement.sql, statement.arguments(values))
            records = [self._record(tenant, kind, shelf, row) for row in rows]
            if records:
                yield records
            if len(rows) < _PAGE or not kind.key:
                return
            for name, part in zip(kind.key, kind.key_of(records[-1]), strict=True):
                values[f"after_{name}"] = part
            statement = shelf.page_after

    async def _trail(
        self, executor: Executor, tenant: TenantId
    ) -> AsyncIterator[Sequence[AuditEntry]]:
        """By place in the chain; then what isn't sealed, in the order in which it will be."""
        context = Context(tenant=tenant, clock=self._clock, ids=self._ids)
        log = PostgresAuditLog(context, executor)
        sequence, page = log.where("sequence"), list[AuditEntry]()
        parts = ((sequence.is_not_null(), "sequence"), (sequence.is_null(), "position"))
        for criteria, order in parts:
            async for entry in log.stream(criteria, order):
                page.append(entry)
                if len(page) >= _PAGE:
                    yield page
                    page = []
        if page:
            yield page

    async def _put(
        self, tenant: TenantId, kind: RecordKind, records: Sequence[Record]
    ) -> Sequence[Put]:
        shelf, executor = SHELVES[kind], PoolExecutor(self._pool, tenant)
        if kind is kinds.AUDIT_ENTRIES:
            last = max(entry.position for entry in records)
            await executor.write(ADVANCE.sql, ADVANCE.arguments({"position": last}))
        given = [self._sealed(tenant, kind, record) for record in records]
        try:
            added = await _added(executor, tenant, shelf, given)
        except ConstraintBroken:
            if len(given) > 1:
                return [what for one in records for what in await self._put(tenant, kind, [one])]
            return [Put.UNFIT]
        put = [Put.ADDED if kind.key_of(one) in added else Put.HELD for one in records]
        if shelf.owner is not None and len(added) < len(records):
            _, column = shelf.owner
            ids = {getattr(one, column) for one in records}
            arguments = shelf.owners.arguments({"tenant": tenant, "ids": list(ids)})
            there = {row[0] for row in await executor.read(shelf.owners.sql, arguments)}
            for place, one in enumerate(records):
                if getattr(one, column) not in there:
                    put[place] = Put.ORPHAN
        return put

    async def _found(
        self, tenant: TenantId, kind: RecordKind, records: Sequence[Record]
    ) -> Mapping[Key, Record]:
        shelf, executor = SHELVES[kind], PoolExecutor(self._pool, tenant)
        values: dict[str, Any] = {"tenant": tenant}
        keys = zip(*map(kind.key_of, records), strict=True)
        values |= {name: list(parts) for name, parts in zip(kind.key, keys, strict=True)}
        statement = shelf.standing
        rows = await _read(executor, kind, statement.sql, statement.arguments(values))
        found = [self._record(tenant, kind, shelf, row) for row in rows]
        return {kind.key_of(record): record for record in found}

    def _record(self, tenant: TenantId, kind: RecordKind, shelf: Shelf, row: Any) -> Record:
        record = shelf.record(tenant, row)
        if kind is kinds.INTEGRATIONS and record.credentials is not None:
            bound = self._vault(tenant).bound(record.id, token_of(record.credentials))
            return restored(Integration, {**vars(record), "credentials": bound})
        return record

    def _sealed(self, tenant: TenantId, kind: RecordKind, record: Record) -> Record:
        if kind is not kinds.INTEGRATIONS or record.credentials is None:
            return record
        sealed = self._vault(tenant).sealed(record.id, record.credentials)
        return restored(Integration, {**vars(record), "credentials": sealed})

    def _vault(self, tenant: TenantId) -> Vault:
        return Vault(self._secrets, tenant, "integration", "credentials")


async def _added(
    executor: Executor, tenant: TenantId, shelf: Shelf, records: Sequence[Record]
) -> set[Key]:
    """The keys of those that went in."""
    arguments = shelf.add.arguments({**shelf.lists(records), "tenant": tenant})
    try:
        rows = await executor.write(shelf.add.sql, arguments)
    except Undecodable:
        failure = RepositoryError("PostgreSQL answered what can't be read")
    else:
        return {tuple(row) if shelf.key else () for row in rows}
    raise failure


async def _read(
    executor: Executor, kind: RecordKind, sql: str, arguments: Sequence[Any]
) -> Sequence[Any]:
    try:
        return await executor.read(sql, arguments)
    except Undecodable:
        failure = CorruptRecordError(kind.said, None)
    raise failure
