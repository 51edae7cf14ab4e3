"""Exports that aren't whole: by accident, or by somebody's hand."""

import json
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import bootstrap
from adapters.encryption import KeyRing
from bootstrap import Settings
from bootstrap.interchange.tenant import (
    ExportedFile,
    Manifest,
    UnusableExportError,
    export_tenant,
    import_tenant,
    importing,
    manifest,
)
from bootstrap.interchange.tenant.folder import held
from bootstrap.interchange.tenant.manifest import KINDS, load, write
from domain.identity import TenantId
from ports.contracts.exact import exact
from tests.bootstrap.running import run
from tests.interchange.tenants import NOW, archived, files_of, filled, forged, manifest_of

MEMORY = Settings.memory()
BOX = KeyRing({"moving": bytes(range(32))})


def altered(name: str, old: str, new: str) -> Callable[[Path], object]:
    """What puts one text in the place of another."""

    def damage(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return damage


def cut(folder: Path) -> None:
    """A file ends before its time."""
    content = (folder / "messages.jsonl").read_bytes()
    (folder / "messages.jsonl").write_bytes(content[:-5])


def linked(folder: Path) -> None:
    """A file is somewhere else."""
    (folder / "flows.jsonl").rename(folder.parent / "elsewhere.jsonl")
    (folder / "flows.jsonl").symlink_to(folder.parent / "elsewhere.jsonl")


def without_contexts(folder: Path) -> None:
    """The manifest doesn't name all files."""
    document = manifest_of(folder)
    document["files"] = [file for file in document["files"] if file["kind"] != "contexts"]
    (folder / "manifest.json").write_text(json.dumps(document))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "altered": altered("flows.jsonl", '"two"', '"twO"'),
    "bytes": cut,
    "missing": lambda folder: (folder / "sessions.jsonl").unlink(),
    "isn't complete": lambda folder: (folder / "manifest.json").unlink(),
    "isn't the manifest": lambda folder: (folder / "manifest.json").write_text("[" * 9_999),
    "another version": altered("manifest.json", '"version": 1', '"version": 2'),
    "unknown": altered("manifest.json", '"kind": "flows"', '"kind": "plans"'),
    "names no file of": without_contexts,
    "wrong form": altered("manifest.json", '"flows.jsonl"', '"../flows.jsonl"'),
    "lines": altered("manifest.json", '"records": 2', '"records": 3'),
    "plain file": linked,
}


@run
async def test_an_export_that_isnt_whole_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    """A byte altered, a file cut or gone, no manifest, none of ours, of another version, with an
    unknown kind or one missing, with a name that leads out of the folder, a link."""
    whole = tmp_path / "whole"
    async with bootstrap.open(MEMORY) as one:
        await filled(one, "acme")
        await export_tenant(one, "acme", whole, at=NOW)

    async with bootstrap.open(MEMORY) as other:
        for says, damage in DAMAGES.items():
            folder = tmp_path / "damaged"
            shutil.copytree(whole, folder)
            damage(folder)
            with pytest.raises(UnusableExportError, match=says):
                await import_tenant(other, folder)
            shutil.rmtree(folder)
        with pytest.raises(UnusableExportError, match="isn't a folder"):
            await import_tenant(other, tmp_path / "nowhere")
        assert not any((await archived(other, "acme")).values())
        assert not (await import_tenant(other, whole)).refused


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """For the block, no file may be larger: writing fails as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@run
async def test_an_export_that_fails_leaves_no_manifest(tmp_path: Path) -> None:
    """A full disk: what was there as a whole export isn't one any more, and the next try is."""
    async with bootstrap.open(MEMORY) as platform:
        await filled(platform, "acme")
        await export_tenant(platform, "acme", tmp_path, at=NOW)
        before = files_of(tmp_path)
        with disk_of(700), pytest.raises(OSError, match="too large"):
            await export_tenant(platform, "acme", tmp_path, at=NOW)
        assert not (tmp_path / "manifest.json").exists()
        with pytest.raises(UnusableExportError, match="isn't complete"):
            await import_tenant(platform, tmp_path)
        await export_tenant(platform, "acme", tmp_path, at=NOW)
    assert files_of(tmp_path) == before


@run
async def test_a_folder_is_written_by_one_at_a_time_and_read_by_nobody_meanwhile(
    tmp_path: Path,
) -> None:
    """So a manifest is never of other files than those that are there. Many may read at once."""
    async with bootstrap.open(MEMORY) as one, bootstrap.open(MEMORY) as other:
        await filled(one, "acme")
        await export_tenant(one, "acme", tmp_path, at=NOW)
        before = files_of(tmp_path)
        with held(tmp_path, to_write=True):
            with pytest.raises(UnusableExportError, match="just being used"):
                await export_tenant(one, "acme", tmp_path, at=NOW)
            with pytest.raises(UnusableExportError, match="just being written"):
                await import_tenant(other, tmp_path)
        assert not any((await archived(other, "acme")).values())
        with held(tmp_path, to_write=False):
            with pytest.raises(UnusableExportError, match="just being used"):
                await export_tenant(one, "acme", tmp_path, at=NOW)
            assert not (await import_tenant(other, tmp_path)).refused
        await export_tenant(one, "acme", tmp_path, at=NOW)
    assert files_of(tmp_path) == before


def test_a_manifest_names_any_number_of_integrations(tmp_path: Path) -> None:
    """However long their names are, it is one that can be read."""
    names = tuple([f"{number}{chr(0x1F600) * 250}" for number in range(2_000)])
    files = tuple(
        [
            ExportedFile(kind=kind, name=f"{kind}.jsonl", records=0, bytes=0, sha256="0" * 64)
            for kind in KINDS
        ]
    )
    made = Manifest(
        tenant=TenantId("acme"), exported_at=NOW, files=files, without_credentials=names
    )
    write(made, tmp_path)
    assert load(tmp_path) == made


@run
async def test_what_couldnt_be_imported_isnt_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that is too large leaves no manifest; the largest that may be comes in."""
    async with bootstrap.open(MEMORY) as one, bootstrap.open(MEMORY) as other:
        await filled(one, "acme")
        await export_tenant(one, "acme", tmp_path, at=NOW)
        texts = files_of(tmp_path).values()
        longest = max(len(line) for text in texts for line in text.splitlines(keepends=True))
        for module in (manifest, importing):
            monkeypatch.setattr(module, "MAX_LINE_BYTES", longest)
        await export_tenant(one, "acme", tmp_path, at=NOW)
        assert not (await import_tenant(other, tmp_path)).refused
        monkeypatch.setattr(manifest, "MAX_LINE_BYTES", longest - 1)
        with pytest.raises(UnusableExportError, match="too large"):
            await export_tenant(one, "acme", tmp_path, at=NOW)
        assert not (tmp_path / "manifest.json").exists()


@run
async def test_a_report_of_any_number_of_refused_lines_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first are told one by one, and all of them counted."""
    monkeypatch.setattr(importing, "MAX_TOLD", 3)
    async with bootstrap.open(MEMORY) as one, bootstrap.open(MEMORY) as other:
        await filled(one, "acme")
        await export_tenant(one, "acme", tmp_path, at=NOW)
        forged(tmp_path, "flows.jsonl", b"\n" * 10)
        report = await import_tenant(other, tmp_path)
    assert [(each.file, each.line) for each in report.refused] == [
        ("flows.jsonl", 1),
        ("flows.jsonl", 2),
        ("flows.jsonl", 3),
    ]
    assert report.kinds["flows"].refused == 10


@run
async def test_keys_may_be_spelled_in_other_ways(tmp_path: Path) -> None:
    """A UUID in capitals, a time of another zone: the record is the same, and an import of it may
    be repeated."""
    async with bootstrap.open(MEMORY) as one, bootstrap.open(MEMORY) as other:
        await filled(one, "acme")
        await export_tenant(one, "acme", tmp_path, at=NOW, secrets=BOX)
        for name in ("flows.jsonl", "flow_metrics.jsonl"):
            lines = [json.loads(line) for line in (tmp_path / name).read_bytes().splitlines()]
            for document in lines:
                key = "id" if "id" in document else "flow_id"
                document[key] = document[key].upper()
                document["created_at"] = document["created_at"].replace("Z", "+00:00")
            forged(tmp_path, name, "".join(f"{json.dumps(each)}\n" for each in lines).encode())
        assert not (await import_tenant(other, tmp_path, secrets=BOX)).refused
        assert not (await import_tenant(other, tmp_path, secrets=BOX)).refused
        assert exact(await archived(other, "acme")) == exact(await archived(one, "acme"))


@run
async def test_a_packed_file_that_is_broken_inside_is_refused(tmp_path: Path) -> None:
    """Whatever the manifest says of it, and whoever wrote that."""
    async with bootstrap.open(MEMORY) as one, bootstrap.open(MEMORY) as other:
        await filled(one, "acme")
        await export_tenant(one, "acme", tmp_path, at=NOW, gzipped=True)
        content = (tmp_path / "flows.jsonl.gz").read_bytes()
        records = manifest_of(tmp_path)["files"][0]["records"]
        for broken in (content[:-4] + b"abcd", content[: len(content) // 2]):
            forged(tmp_path, "flows.jsonl.gz", broken, records=records)
            with pytest.raises(UnusableExportError):
                await import_tenant(other, tmp_path)
