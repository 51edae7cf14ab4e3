"""Taking a tenant out: every store's records, a file a kind, the manifest last."""

import asyncio
import os
import zlib
from collections.abc import Callable
from contextlib import ExitStack, aclosing, suppress
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

import orjson

from bootstrap.interchange.tenant import manifest as manifests
from bootstrap.interchange.tenant.credentials import Credentials, key_id
from bootstrap.interchange.tenant.folder import held
from bootstrap.interchange.tenant.forms import document_of
from bootstrap.interchange.tenant.manifest import (
    KINDS,
    ExportedFile,
    Manifest,
    UnusableExportError,
)
from bootstrap.platform import Platform
from domain.identity import TenantId, tenant_id
from domain.rules import instant
from ports.archives import EVENTS, INTEGRATIONS, Archive, Record, RecordKind
from ports.audit import SEAL_BATCH
from ports.errors import CorruptRecordError, UnsupportedOperationError
from ports.secrets import SecretBox

Exported = Callable[[int], None]
"""Is told how many records were written so far."""

_COUNTING: Final = 30.0
"""Seconds for which executions are counted at most."""
_GZIP: Final = 31
"""What zlib takes for gzip's form (its manual, `deflateInit2`)."""


def not_shown(done: int) -> None:
    """For nobody."""


async def export_tenant(
    platform: Platform,
    tenant: str,
    folder: Path,
    *,
    at: datetime,
    secrets: SecretBox | None = None,
    gzipped: bool = False,
    progress: Exported = not_shown,
) -> Manifest:
    """Write everything of a tenant into a folder; the manifest, which says what there is.

    The folder is made if it isn't there. It must be empty but for an earlier export, which this one
    takes the place of: its manifest goes first, and the new one comes last, in one step. So a
    folder with a manifest is a whole export, whatever happened; without one it is none, and the
    same call makes it one. `at`: when that was, for the manifest.

    With `secrets`, credentials are sealed under its active key, and opened again by an import that
    has it; without, they are left out, and the manifest says of which integrations.

    In constant memory, in one pass over each store; whatever order a store has things in, equal
    tenants give equal files, byte by byte. (Of the manifest, `exported_at` differs.) While others
    write: the authoring data are those of one moment, and read last, since everything refers to
    them; each message's conversation is there, with all messages up to the number at which it
    stood. Contexts are read before conversations, sessions and execution states after both: these
    may name a conversation that was begun in between. For more than that, stop writing. First of
    all, the audit trail is sealed, as far as it can be, and executions of flows that are due are
    counted into the flows' figures: an import takes those that it brings for counted. How many
    couldn't be (others have taken them just now, or their flow isn't there), the manifest says.

    Raises:
        UnusableExportError: if the folder holds something else, or somebody is just exporting into
            it or importing from it; if there is a record of more than 512 MiB.
        ValidationError: for what can't be a tenant's name.
        RepositoryError: if a store can't be read; `EncryptionKeyError` and `CorruptRecordError`, if
            credentials are to be sealed anew and can't be opened.
        OSError: if the folder can't be written, the disk being full for example. No manifest then.
    """
    named = tenant_id(tenant)
    with held(folder, to_write=True):
        _prepare(folder)
        return await _written(platform, named, folder, at, secrets, gzipped, progress)


async def _written(
    platform: Platform,
    named: TenantId,
    folder: Path,
    at: datetime,
    secrets: SecretBox | None,
    gzipped: bool,
    progress: Exported,
) -> Manifest:
    maintenance = platform.maintenance
    await _seal(platform, named)
    with suppress(TimeoutError, UnsupportedOperationError):  # there may be more and more
        async with asyncio.timeout(_COUNTING):
            await platform.projector().once()
    closing = Credentials(named, secrets)
    with ExitStack() as stack:
        files = {kind: stack.enter_context(_File(folder, kind, gzipped)) for kind in KINDS}
        done = uncounted = 0
        parts = (maintenance.dialogue, maintenance.runtime)
        for part in (*parts, maintenance.analytics, maintenance.authoring):
            archive: Archive = part.archive
            async with aclosing(archive.read(named)) as batches:
                async for kind, records in batches:
                    for record in records:
                        files[kind].write(_line(kind, record, closing))
                    done += len(records)
                    progress(done)
            if EVENTS in archive.kinds:  # what is counted from now on, the figures may have
                with suppress(UnsupportedOperationError):
                    uncounted = (await maintenance.analytics.uncounted(named)).number
        kept = tuple([files[kind].finished() for kind in KINDS])
    made = Manifest(
        tenant=named,
        exported_at=instant(at),
        files=kept,
        sealed_under=key_id(secrets),
        without_credentials=tuple(closing.without),
        uncounted_executions=uncounted,
    )
    manifests.write(made, folder)
    return made


def _line(kind: RecordKind, record: Record, closing: Credentials) -> bytes:
    document = document_of(record)
    if kind is INTEGRATIONS:
        closing.closed(document, record.id, record.name)
    line = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
    if len(line) > manifests.MAX_LINE_BYTES:
        raise UnusableExportError(f"a {kind.said} is too large to be imported again")
    return line


async def _seal(platform: Platform, tenant: TenantId) -> None:
    """Seal what is there, so that an export made again of what was imported is the same."""
    audit = platform.for_tenant(tenant).audit
    try:
        while await audit.seal(SEAL_BATCH) == SEAL_BATCH:
            pass
    except CorruptRecordError:
        pass  # a broken trail is exported as it is, and found broken wherever it is


def _prepare(folder: Path) -> None:
    ours = set(manifests.names())
    strange = [path.name for path in folder.iterdir() if not _is_ours(path.name, ours)]
    if strange:
        raise UnusableExportError(
            f"{folder} holds {min(strange)!r}, which isn't part of an export: name an empty folder"
        )
    (folder / manifests.NAME).unlink(missing_ok=True)
    for path in folder.iterdir():
        path.unlink()


def _is_ours(name: str, ours: set[str]) -> bool:
    return name in ours or name.startswith(f".{manifests.NAME}.")


class _File:
    """A file of an export on its way, and what the manifest says of it."""

    def __init__(self, folder: Path, kind: RecordKind, gzipped: bool) -> None:
        self._kind = kind
        self._name = f"{kind.name}.jsonl{'.gz' if gzipped else ''}"
        self._path = folder / self._name
        # As gzip does, but without a name and a time: equal content, equal bytes.
        self._packer = zlib.compressobj(wbits=_GZIP) if gzipped else None
        self._records = self._size = 0
        self._digest = sha256()

    def __enter__(self) -> "_File":
        self._file = self._path.open("wb")
        return self

    def __exit__(self, *failure: object) -> None:
        with suppress(OSError):  # what is yet to be written of it is of no more use
            self._file.close()

    def write(self, line: bytes) -> None:
        """Add a record."""
        self._add(line if self._packer is None else self._packer.compress(line))
        self._records += 1

    def finished(self) -> ExportedFile:
        """It survives a power cut from now on."""
        if self._packer is not None:
            self._add(self._packer.flush())
        self._file.flush()
        os.fsync(self._file.fileno())
        return ExportedFile(
            kind=self._kind,
            name=self._name,
            records=self._records,
            bytes=self._size,
            sha256=self._digest.hexdigest(),
        )

    def _add(self, data: bytes) -> None:
        self._file.write(data)
        self._size += len(data)
        self._digest.update(data)
