"""The manifest of an export: what files there are, and how one sees that they are whole."""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import attrs

from bootstrap.interchange.lines import RefusedError, count_lines, opened_file
from domain.errors import ValidationError
from domain.identity import TenantId, tenant_id
from ports.archives import (
    ANALYTICS_KINDS,
    AUTHORING_KINDS,
    DIALOGUE_KINDS,
    RUNTIME_KINDS,
    RecordKind,
)

FORMAT: Final = "dialogbase tenant"
VERSION: Final = 1
NAME: Final = "manifest.json"
KINDS: Final = (*AUTHORING_KINDS, *DIALOGUE_KINDS, *ANALYTICS_KINDS, *RUNTIME_KINDS)
"""Every kind of record, in the order in which they are imported."""

LEFT_OUT: Final[Mapping[str, str]] = {
    "caches": "they are filled again",
    "rate limits": "they count what happened just now, elsewhere",
    "locks and fencing tokens": "another store's locks begin anew; old tokens would shut them out",
    "outbox": "it tells the consumers of the store that it is in",
    "tombstones": "who was erased has nothing here; the store that erased them refuses late writes",
    "idempotency keys of appends and of flows' figures": "they recognise what is repeated at once",
}
MAX_LINE_BYTES: Final = 512 * 1024 * 1024
"""More than any store keeps of one record. The largest are entries of the audit trail that tell of
large flows, from what to what."""
_CHUNK: Final = 1024 * 1024
_MAX_BYTES: Final = 64 * 1024 * 1024
"""It names every integration whose credentials were left out, however many there are."""
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class UnusableExportError(Exception):
    """An export that can't be imported as it is, or not there; its message says why. Nothing was
    changed by it.
    """


@attrs.frozen(kw_only=True)
class ExportedFile:
    """A file of an export: its kind, records, size in bytes and SHA-256, as it is there (if it is
    gzipped, so gzipped).
    """

    kind: RecordKind
    name: str
    records: int
    bytes: int
    sha256: str


@attrs.frozen(kw_only=True)
class Manifest:
    """What an export holds. `sealed_under`: the id of the key of the credentials in it, None if
    none are; `without_credentials`: the names of the integrations that have some, and lack them
    here. `uncounted_executions`: how many events there may be that say an execution which isn't in
    its flow's figures, nor will be where this is imported.
    """

    tenant: TenantId
    exported_at: datetime
    files: tuple[ExportedFile, ...]
    sealed_under: str | None = None
    without_credentials: tuple[str, ...] = ()
    uncounted_executions: int = 0

    @property
    def records(self) -> int:
        """How many there are, of all kinds."""
        return sum(file.records for file in self.files)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "tenant": self.tenant,
            "exported_at": self.exported_at.isoformat(),
            "credentials": {
                "sealed_under": self.sealed_under,
                "left_out_of": list(self.without_credentials),
            },
            "uncounted_executions": self.uncounted_executions,
            "left_out": dict(LEFT_OUT),
            "files": [
                {
                    "kind": file.kind.name,
                    "file": file.name,
                    "records": file.records,
                    "bytes": file.bytes,
                    "sha256": file.sha256,
                }
                for file in self.files
            ],
        }


def write(manifest: Manifest, folder: Path) -> None:
    """Put the manifest into its folder, whole or not at all; what was written before survives a
    power cut, too.
    """
    new = folder / f".{NAME}.{uuid4().hex}"
    try:
        with new.open("w", encoding="utf-8") as file:
            json.dump(manifest.document(), file, indent=2, ensure_ascii=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(folder / NAME)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load(folder: Path) -> Manifest:
    """The manifest of a folder. Nothing outside of the folder is looked at, whatever it says.

    Raises:
        UnusableExportError: if there is none, or it can't be that of an export.
        OSError: if it can't be read.
    """
    path = folder / NAME
    if not folder.is_dir():
        raise UnusableExportError(f"{folder} isn't a folder")
    if not path.is_file():
        raise UnusableExportError(f"{folder} has no {NAME}: the export isn't complete, or none")
    with path.open("rb") as file:
        text = file.read(_MAX_BYTES + 1)
    try:
        if len(text) > _MAX_BYTES:
            raise ValueError
        document = json.loads(text)
        if document["format"] != FORMAT or type(document["version"]) is not int:
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UnusableExportError(f"{path} isn't the manifest of a tenant's export") from None
    if document["version"] != VERSION:
        told = f"has the version {document['version']}, and this is {VERSION}"
        raise UnusableExportError(f"{path} {told}: it needs another version of Dialogbase")
    try:
        credentials = document["credentials"]
        return Manifest(
            tenant=tenant_id(document["tenant"]),
            exported_at=datetime.fromisoformat(document["exported_at"]),
            files=_files(path, document["files"]),
            sealed_under=_optional_text(credentials["sealed_under"]),
            without_credentials=tuple([_text(one) for one in credentials["left_out_of"]]),
            uncounted_executions=_count(document["uncounted_executions"]),
        )
    except (ValueError, KeyError, TypeError, ValidationError):
        raise UnusableExportError(f"{path} lacks something, or has it in a wrong form") from None


def _files(path: Path, documents: Sequence[Mapping[str, Any]]) -> tuple[ExportedFile, ...]:
    kinds = {kind.name: kind for kind in KINDS}
    files: dict[RecordKind, ExportedFile] = {}
    for document in documents:
        kind = kinds.get(_text(document["kind"]))
        if kind is None:
            told = f"holds records of a kind that is unknown: {document['kind'][:50]!r}"
            raise UnusableExportError(f"{path} {told}")
        name = _text(document["file"])
        if name not in (f"{kind.name}.jsonl", f"{kind.name}.jsonl.gz") or kind in files:
            raise ValueError
        if not _DIGEST.fullmatch(_text(document["sha256"])):
            raise ValueError
        files[kind] = ExportedFile(
            kind=kind,
            name=name,
            records=_count(document["records"]),
            bytes=_count(document["bytes"]),
            sha256=document["sha256"],
        )
    if missing := [kind.name for kind in KINDS if kind not in files]:
        raise UnusableExportError(f"{path} names no file of {', '.join(missing)}")
    return tuple(files[kind] for kind in KINDS)


def check(manifest: Manifest, folder: Path) -> None:
    """Return if every file is there as the manifest says, to the byte; each is read once.

    Raises:
        UnusableExportError: naming the first that isn't.
        OSError: if one can't be read.
    """
    for file in manifest.files:
        path = folder / file.name
        if path.is_symlink() or not path.is_file():
            raise UnusableExportError(f"{path} is missing, or no plain file")
        size = path.stat().st_size
        if size != file.bytes:
            raise UnusableExportError(f"{path} has {size} bytes and should have {file.bytes}")
        digest = sha256()
        with path.open("rb") as opened:
            while chunk := opened.read(_CHUNK):
                digest.update(chunk)
        if digest.hexdigest() != file.sha256:
            raise UnusableExportError(f"{path} was altered: its SHA-256 isn't the manifest's")
        with opened_file(path) as lines:
            try:
                records = count_lines(lines)
            except RefusedError as error:
                raise UnusableExportError(f"{path}: {error}") from None
        if records != file.records:
            raise UnusableExportError(f"{path} has {records} lines and should have {file.records}")


def names() -> Iterable[str]:
    """Of all files that an export may have."""
    return [NAME, *(f"{kind.name}.jsonl{end}" for kind in KINDS for end in ("", ".gz"))]


def _text(candidate: object) -> str:
    if not isinstance(candidate, str):
        raise ValueError
    return candidate


def _optional_text(candidate: object) -> str | None:
    return None if candidate is None else _text(candidate)


def _count(candidate: object) -> int:
    if type(candidate) is not int or candidate < 0:
        raise ValueError
    return candidate
