"""Bringing a tenant in: what was exported, record by record as it was."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from time import monotonic
from typing import IO, Any, Final

import attrs
import orjson

from bootstrap.interchange.lines import (
    Line,
    RefusedError,
    json_object_of,
    lines_of,
    opened_file,
    summary,
)
from bootstrap.interchange.tenant import manifest as manifests
from bootstrap.interchange.tenant.chain import Rechained
from bootstrap.interchange.tenant.credentials import Credentials, key_id
from bootstrap.interchange.tenant.folder import held
from bootstrap.interchange.tenant.forms import formed, record_of
from bootstrap.interchange.tenant.manifest import (
    MAX_LINE_BYTES,
    ExportedFile,
    Manifest,
    UnusableExportError,
)
from bootstrap.platform import Platform
from domain.audit import AuditEntry, AuditHead
from domain.errors import ValidationError
from domain.executions import ExecutionState
from domain.identity import TenantId, tenant_id
from ports.archives import (
    AUDIT_ANCHOR,
    AUDIT_ENTRIES,
    AUDIT_HEAD,
    EXECUTIONS,
    INTEGRATIONS,
    Archive,
    Record,
    RecordKind,
    Restored,
)
from ports.errors import OutcomeUnknownError, StoreTimeoutError, TransactionError
from ports.reading import back_off
from ports.secrets import SecretBox

BATCH_RECORDS: Final = 500
BATCH_BYTES: Final = 4 * 1024 * 1024
"""What is put back together; a record that is larger goes by itself."""

MAX_TOLD: Final = 10_000
"""Refused lines that a report tells of one by one."""

PATIENCE_SECONDS: Final = 180.0
"""How long others are waited for who store the same: see `interchange.dialogues.importing`."""

Imported = Callable[[int, int], None]
"""Is told how many records of how many are done."""


def not_shown(done: int, total: int) -> None:
    """For nobody."""


@attrs.frozen(kw_only=True)
class FileRefusal:
    """A line that didn't come in, and why."""

    file: str
    line: int
    reason: str


@attrs.define(kw_only=True)
class KindReport:
    """What became of the records of one kind. `expired`: those whose time was over."""

    imported: int = 0
    unchanged: int = 0
    expired: int = 0
    refused: int = 0


@attrs.frozen(kw_only=True)
class TenantImportReport:
    """What became of an export. `refused`: the first 10 000 lines; `kinds` count all of them.
    `without_credentials`: the names of the integrations that had some where they come from, and
    lack them now.
    """

    tenant: TenantId
    manifest: Manifest
    kinds: dict[str, KindReport]
    refused: tuple[FileRefusal, ...]
    without_credentials: tuple[str, ...]
    head: AuditHead | None
    """The end of the audit trail's chain, if there is one: under another name it is a new one."""


async def import_tenant(
    platform: Platform,
    folder: Path,
    *,
    tenant: str | None = None,
    secrets: SecretBox | None = None,
    progress: Imported = not_shown,
) -> TenantImportReport:
    """Put everything of an exported tenant back, under its own name or as another `tenant`.

    Nothing is written before every file was found as the manifest says. Records come in as they
    were: ids, times, revisions, numbers, counters, expiries (what has expired since is passed over,
    and counted). Nothing is added to the trail or the outbox, and nobody is told of it; flows that
    caches know are dropped there (in other processes within what `adapters.cached` says).

    The tenant must have nothing but what this export holds: so an import that was interrupted, or
    killed, is simply run again, and goes on; what is there is `unchanged`. Whatever else is there
    is refused before anything is written. A line that can't come in, since it isn't a record that
    is admitted, or another stands in its place (somebody changed it since), is refused, and the
    rest goes on.

    Let nobody use the tenant until it is done: what they would see is incomplete.

    As another tenant: ids stay, and sessions' tokens are good for both. The audit trail is chained
    anew (see `chain`), since its digests depend on the name: it verifies as it did, and its head is
    another.

    `secrets` opens the credentials of an export that has some. Without, or if they were left out,
    integrations come without; the report names them. In constant memory; every file is read twice.

    Raises:
        UnusableExportError: if the export isn't whole, or not one that can be read here; if its
            credentials are under another key; if the tenant has other data; if somebody is just
            exporting into the folder. Nothing was written.
        ErasedError: if the tenant was erased here: lift its tombstone first.
        RepositoryError: if a store can't go on; run it again.
        OSError: if a file can't be read.
    """
    with held(folder, to_write=False):
        return await _brought(platform, folder, tenant, secrets, progress)


async def _brought(
    platform: Platform,
    folder: Path,
    tenant: str | None,
    secrets: SecretBox | None,
    progress: Imported,
) -> TenantImportReport:
    manifest = manifests.load(folder)
    manifests.check(manifest, folder)
    sealed_under = manifest.sealed_under
    if secrets is not None and sealed_under not in (None, key_id(secrets)):
        told = f"the credentials are under the key {sealed_under!r}, and this is another"
        raise UnusableExportError(told)
    named = manifest.tenant if tenant is None else tenant_id(tenant)
    coming = _Import(platform, manifest, folder, named, secrets)
    await coming.refuse_other_data()
    return await coming.run(progress)


class _Import:
    def __init__(
        self,
        platform: Platform,
        manifest: Manifest,
        folder: Path,
        tenant: TenantId,
        secrets: SecretBox | None,
    ) -> None:
        self._manifest = manifest
        self._folder = folder
        self._tenant = tenant
        self._credentials = Credentials(manifest.tenant, secrets)
        parts = platform.maintenance
        archives = [part.archive for part in (parts.authoring, parts.dialogue, parts.analytics)]
        self._archives: Sequence[Archive] = (*archives, parts.runtime.archive)
        self._of = {kind: archive for archive in self._archives for kind in archive.kinds}
        self._chain: Rechained | None = None
        self._head: AuditHead | None = None
        self._refused: list[FileRefusal] = []

    async def refuse_other_data(self) -> None:
        """Return if the tenant has nothing that the export hasn't."""
        for archive in self._archives:
            known: dict[RecordKind, _Keys] = {}
            try:
                async with aclosing(archive.read(self._tenant)) as batches:
                    async for kind, records in batches:
                        if kind is AUDIT_ANCHOR:
                            continue  # what it stands for was purged, perhaps since
                        if kind not in known:
                            known[kind] = self._keys(kind)
                        for record in records:
                            if _key(kind, record) not in known[kind]:
                                raise UnusableExportError(
                                    f"tenant {self._tenant} has a {kind.said} that isn't in this "
                                    "export: import it as another tenant, or erase this one first"
                                )
            finally:
                for keys in known.values():
                    keys.close()

    def _keys(self, kind: RecordKind) -> "_Keys":
        """Of all lines that may be records: they are looked at more closely when they come in."""
        keys = _Keys()
        file = self._file(kind)
        with opened_file(self._folder / file.name) as opened:
            keys.add(_keys_of(kind, _whole_lines(opened)))
        return keys

    def _file(self, kind: RecordKind) -> ExportedFile:
        return next(one for one in self._manifest.files if one.kind is kind)

    async def run(self, progress: Imported) -> TenantImportReport:
        total, done = self._manifest.records, 0
        progress(0, total)
        if self._tenant != self._manifest.tenant:
            self._chain = self._followed()
        without: tuple[str, ...] = ()
        reports: dict[str, KindReport] = {}
        for file in self._manifest.files:
            report = reports[file.kind.name] = KindReport()
            self._credentials.without.clear()
            async for batch in self._batches(file, report):
                await self._put(file, batch, report)
                done += len(batch)
                progress(done, total)
            if file.kind is INTEGRATIONS:
                without = tuple(self._credentials.without)
        progress(total, total)
        return TenantImportReport(
            tenant=self._tenant,
            manifest=self._manifest,
            kinds=reports,
            refused=tuple(self._refused),
            without_credentials=without,
            head=self._head,
        )

    async def _batches(
        self, file: ExportedFile, report: KindReport
    ) -> AsyncIterator[Sequence[tuple[Line, Record]]]:
        batch: list[tuple[Line, Record]] = []
        size = 0
        chain = None
        if self._chain is not None and file.kind is AUDIT_ENTRIES:
            chain = Rechained(self._chain.old, self._chain.new, self._chain.anchor)
        for line, record in self._records(file.kind, self._tenant, report):
            if chain is not None:
                record = chain.moved(record)
            if file.kind is AUDIT_HEAD:
                record = self._head = record if self._chain is None else self._chain.head(record)
            length = len(line.content or b"")
            if batch and (len(batch) >= BATCH_RECORDS or size + length > BATCH_BYTES):
                yield batch
                batch, size = [], 0
            batch.append((line, record))
            size += length
        if batch:
            yield batch

    async def _put(
        self, file: ExportedFile, batch: Sequence[tuple[Line, Record]], report: KindReport
    ) -> None:
        records = [record for _, record in batch]
        restored = await self._patiently(file.kind, records)
        report.imported += restored.added
        report.unchanged += restored.unchanged
        report.expired += restored.expired
        for place, reason in restored.refused.items():
            self._refuse(file, batch[place][0].number, reason, report)

    async def _patiently(self, kind: RecordKind, records: Sequence[Record]) -> Restored:
        """Restore them, waiting for what a run that was killed had begun."""
        given_up, attempt = monotonic() + PATIENCE_SECONDS, 0
        while True:
            try:
                return await self._of[kind].restore(self._tenant, kind, records)
            except (TransactionError, StoreTimeoutError, OutcomeUnknownError):
                if monotonic() > given_up:
                    raise
            attempt += 1
            await back_off(attempt)

    def _records(
        self, kind: RecordKind, tenant: TenantId, report: KindReport | None = None
    ) -> Iterator[tuple[Line, Record]]:
        """The records of a file; with a report, what is refused on the way is told."""
        file = self._file(kind)
        with opened_file(self._folder / file.name) as opened:
            for line in _whole_lines(opened):
                try:
                    yield line, self._record(kind, json_object_of(line), tenant)
                except (RefusedError, ValidationError, ValueError) as error:
                    reason = summary(error.faults) if isinstance(error, ValidationError) else error
                    if report is not None:
                        self._refuse(file, line.number, str(reason), report)

    def _record(self, kind: RecordKind, document: dict[str, Any], tenant: TenantId) -> Record:
        if kind is INTEGRATIONS:
            self._credentials.opened(document)
        return record_of(kind.entity, document, tenant)

    def _refuse(self, file: ExportedFile, line: int, reason: str, report: KindReport) -> None:
        report.refused += 1
        if len(self._refused) < MAX_TOLD:
            self._refused.append(FileRefusal(file=file.name, line=line, reason=reason))

    def _followed(self) -> Rechained:
        """The whole chain as it is under the other name: its head comes before its entries."""
        old = self._manifest.tenant
        anchors = [record for _, record in self._records(AUDIT_ANCHOR, self._tenant)]
        chain = Rechained(old, self._tenant, *anchors[:1])
        for _, entry in self._records(AUDIT_ENTRIES, self._tenant):
            assert isinstance(entry, AuditEntry)
            chain.moved(entry)
        return chain


def _key(kind: RecordKind, record: Record) -> bytes:
    return orjson.dumps([str(part) for part in kind.key_of(record)])


def _whole_lines(file: IO[bytes]) -> Iterator[Line]:
    """A file's lines.

    Raises:
        UnusableExportError: if it is packed, and broken inside, though it is the manifest's.
    """
    try:
        yield from lines_of(file, MAX_LINE_BYTES)
    except RefusedError as broken:
        failure = UnusableExportError(str(broken))
    else:
        return
    raise failure


def _keys_of(kind: RecordKind, lines: Iterator[Line]) -> Iterator[bytes]:
    """As `_key` makes them of records, but of what is written."""
    for line in lines:
        try:
            document = json_object_of(line)
            of, fields = kind.entity, document
            if kind is EXECUTIONS:
                of, fields = ExecutionState, document["state"]
            parts = [formed(of, name, fields[name]) for name in kind.key]
            yield orjson.dumps([str(part) for part in parts])
        except (ValueError, KeyError, TypeError):  # no record: it is refused when it comes in
            continue


class _Keys:
    """The keys of an export's records, beyond what memory holds: in SQLite's own temporary file."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._database.execute("CREATE TABLE keys (key BLOB PRIMARY KEY) WITHOUT ROWID")

    def add(self, keys: Iterator[bytes]) -> None:
        self._database.executemany("INSERT OR IGNORE INTO keys VALUES (?)", ([key] for key in keys))

    def __contains__(self, key: bytes) -> bool:
        found = self._database.execute("SELECT 1 FROM keys WHERE key = ?", [key])
        return found.fetchone() is not None

    def close(self) -> None:
        self._database.close()
