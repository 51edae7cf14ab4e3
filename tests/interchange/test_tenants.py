"""Tenants out of one platform and into another: whole, equal, and again."""

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import attrs
import pytest

import bootstrap
from adapters.encryption import KeyRing
from adapters.system import SystemClock
from bootstrap import Settings
from bootstrap.interchange.tenant import UnusableExportError, export_tenant, import_tenant
from bootstrap.interchange.tenant.manifest import load
from domain.audit_chain import AuditFault
from domain.errors import ValidationError
from domain.flows import Flow
from domain.integrations import Integration
from domain.secrets import Secret
from ports.archives import AUDIT_ENTRIES
from ports.contracts.exact import exact
from ports.contracts.projecting import execution
from ports.errors import ErasedError
from tests.bootstrap.running import run
from tests.interchange.tenants import (
    NOW,
    archived,
    files_of,
    filled,
    forged,
    manifest_of,
    shown,
)

MEMORY = Settings.memory()
BOX = KeyRing({"moving": bytes(range(32))})


@run
async def test_a_tenant_is_equal_wherever_it_is(tmp_path: Path) -> None:
    """Entity by entity, through the ports; exported again, the files are the same bytes, and of the
    manifest only the time is another."""
    async with bootstrap.open(MEMORY) as one, bootstrap.open(MEMORY) as other:
        scope = await filled(one, "acme")
        made = await export_tenant(one, "acme", tmp_path / "a", at=NOW, secrets=BOX)
        report = await import_tenant(other, tmp_path / "a", secrets=BOX)
        assert (report.refused, report.without_credentials) == ((), ())
        assert sum(kind.imported for kind in report.kinds.values()) == made.records
        assert exact(await archived(other, "acme")) == exact(await archived(one, "acme"))
        assert await shown(other.for_tenant("acme")) == await shown(scope)
        assert (await other.for_tenant("acme").audit.verify()).sound
        later = NOW + timedelta(days=1)
        again = await export_tenant(other, "acme", tmp_path / "b", at=later, secrets=BOX)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    assert attrs.evolve(again, exported_at=NOW) == made


@run
async def test_the_files_may_be_packed(tmp_path: Path) -> None:
    """Gzipped ones hold the same, and are the same bytes each time."""
    async with bootstrap.open(MEMORY) as one, bootstrap.open(MEMORY) as other:
        await filled(one, "acme")
        for name in ("a", "b"):
            await export_tenant(one, "acme", tmp_path / name, at=NOW, gzipped=True)
        await import_tenant(other, tmp_path / "a")
        await export_tenant(one, "acme", tmp_path / "c", at=NOW)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    assert all(name.endswith(".jsonl.gz") for name in files_of(tmp_path / "a"))
    plain = {file["kind"]: file["records"] for file in manifest_of(tmp_path / "c")["files"]}
    packed = {file["kind"]: file["records"] for file in manifest_of(tmp_path / "a")["files"]}
    assert plain == packed


@run
async def test_a_tenant_that_nobody_knows_is_exported_empty(tmp_path: Path) -> None:
    """Whoever has no data has an export with none. What can't be a name is refused."""
    async with bootstrap.open(MEMORY) as platform:
        made = await export_tenant(platform, "nobody", tmp_path, at=NOW)
        assert made.records == 0
        assert not (await import_tenant(platform, tmp_path)).refused
        with pytest.raises(ValidationError):
            await export_tenant(platform, "a/b", tmp_path, at=NOW)


@run
async def test_an_import_may_be_repeated_and_goes_on_after_it_was_interrupted(
    tmp_path: Path,
) -> None:
    """Wherever it was cut short, the next run completes it; another one finds all unchanged."""
    async with bootstrap.open(MEMORY) as one, bootstrap.open(MEMORY) as other:
        await filled(one, "acme")
        made = await export_tenant(one, "acme", tmp_path, at=NOW, secrets=BOX)

        class Cut(Exception):
            pass

        for most in range(0, made.records, 7):

            def cut(done: int, total: int, most: int = most) -> None:
                if done > most:
                    raise Cut

            with pytest.raises(Cut):
                await import_tenant(other, tmp_path, secrets=BOX, progress=cut)
        report = await import_tenant(other, tmp_path, secrets=BOX)
        assert not report.refused
        assert exact(await archived(other, "acme")) == exact(await archived(one, "acme"))
        report = await import_tenant(other, tmp_path, secrets=BOX)
        assert sum(kind.unchanged for kind in report.kinds.values()) == made.records


@run
async def test_a_tenant_with_other_data_is_left_alone(tmp_path: Path) -> None:
    """Nothing is written, of whichever store the other data are."""
    async with bootstrap.open(MEMORY) as one, bootstrap.open(MEMORY) as other:
        await filled(one, "acme")
        await export_tenant(one, "acme", tmp_path, at=NOW)
        scope = other.for_tenant("acme")
        mine = await scope.flows.create(Flow.draft(name="mine"))
        with pytest.raises(UnusableExportError, match="flow that isn't in this export"):
            await import_tenant(other, tmp_path)
        assert [flow async for flow in scope.flows.stream()] == [mine]
        await other.maintenance.authoring.erase_tenant(scope.tenant)
        await scope.sessions.create("ada")
        with pytest.raises(UnusableExportError, match="session"):
            await import_tenant(other, tmp_path)
        await other.maintenance.runtime.erase_tenant(scope.tenant)
        assert not (await import_tenant(other, tmp_path)).refused


@run
async def test_what_somebody_changed_since_is_refused_by_its_line(tmp_path: Path) -> None:
    """The rest is unchanged, and what was changed stays so."""
    async with bootstrap.open(MEMORY) as one, bootstrap.open(MEMORY) as other:
        await filled(one, "acme")
        await export_tenant(one, "acme", tmp_path, at=NOW)
        await import_tenant(other, tmp_path)
        scope = other.for_tenant("acme")
        first = (await scope.conversations.scan(order="id", limit=1)).items[0]
        await scope.conversations.patch(first.id, summary="mine")
        report = await import_tenant(other, tmp_path)
        (refusal,) = report.refused
        assert (refusal.file, refusal.line) == ("conversations.jsonl", 1)
        assert (await scope.conversations.require(first.id)).summary == "mine"


@run
async def test_a_line_that_cant_come_in_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    """Not JSON, not a record, a field that there isn't, a value that isn't admitted."""
    async with bootstrap.open(MEMORY) as one, bootstrap.open(MEMORY) as other:
        await filled(one, "acme")
        made = await export_tenant(one, "acme", tmp_path, at=NOW)
        good = (tmp_path / "analytics_events.jsonl").read_bytes()
        event = good.splitlines()[0]
        bad = [
            b"{",
            b"[]",
            b'{"id": 1, "id": 2}',
            event.replace(b'"type":"turn"', b'"type":7'),
            event.replace(b'"type"', b'"kind"'),
            event.replace(b'{"id"', b'{"tenant_id":"other","id"'),
            event.replace(b'"at":"', b'"at":"x'),
            event.replace(b'"ms":', b'"ms":NaN,"x":'),
        ]
        assert event not in bad
        forged(tmp_path, "analytics_events.jsonl", b"\n".join([*bad, good]))
        report = await import_tenant(other, tmp_path)
        assert [refusal.line for refusal in report.refused] == list(range(1, len(bad) + 1))
        assert {refusal.file for refusal in report.refused} == {"analytics_events.jsonl"}
        assert sum(kind.imported for kind in report.kinds.values()) == made.records


@run
async def test_a_folder_with_anything_else_is_left_alone(tmp_path: Path) -> None:
    """It may be somebody's home."""
    (tmp_path / "thesis.tex").write_text("all of it")
    async with bootstrap.open(MEMORY) as platform:
        with pytest.raises(UnusableExportError, match=r"thesis\.tex"):
            await export_tenant(platform, "acme", tmp_path, at=NOW)
    assert list(files_of(tmp_path)) == ["thesis.tex"]


@run
async def test_credentials_are_never_in_the_clear(tmp_path: Path) -> None:
    """Left out unless there is a key, and the manifest says of whom; sealed, they open with that
    key, for that integration of that export, and nowhere else."""
    secret = Secret({"password": "correct horse"})
    async with bootstrap.open(MEMORY) as one:
        draft = Integration.draft(name="crm", type="custom", credentials=secret)
        await one.for_tenant("acme").integrations.create(draft)
        await one.for_tenant("acme").integrations.create(
            Integration.draft(name="none", type="custom")
        )
        await export_tenant(one, "acme", tmp_path / "without", at=NOW)
        await export_tenant(one, "acme", tmp_path / "sealed", at=NOW, secrets=BOX)
    for folder in ("without", "sealed"):
        assert not any(b"correct" in content for content in files_of(tmp_path / folder).values())
    without, sealed = (manifest_of(tmp_path / name) for name in ("without", "sealed"))
    assert without["credentials"] == {"sealed_under": None, "left_out_of": ["crm"]}
    assert sealed["credentials"] == {"sealed_under": "moving", "left_out_of": []}
    for folder, box, found, lacking in (
        ("without", None, None, ("crm",)),
        ("without", BOX, None, ("crm",)),
        ("sealed", None, None, ("crm",)),
        ("sealed", BOX, secret, ()),
    ):
        async with bootstrap.open(MEMORY) as other:
            report = await import_tenant(other, tmp_path / folder, secrets=box)
            assert report.without_credentials == lacking
            crm = await other.for_tenant("acme").integrations.get_by_name("crm")
            assert crm is not None
            assert crm.credentials == found
    async with bootstrap.open(MEMORY) as other:
        with pytest.raises(UnusableExportError, match="'moving', and this is another"):
            await import_tenant(other, tmp_path / "sealed", secrets=KeyRing.generated())
        # The same name for another key is found out by what it should open.
        wrong = KeyRing({"moving": bytes(32)})
        report = await import_tenant(other, tmp_path / "sealed", secrets=wrong)
        assert [refusal.file for refusal in report.refused] == ["integrations.jsonl"]
    lines = (tmp_path / "sealed" / "integrations.jsonl").read_bytes()
    forged(tmp_path / "sealed", "integrations.jsonl", lines.replace(b'"sealed"', b'"password"'))
    async with bootstrap.open(MEMORY) as other:
        report = await import_tenant(other, tmp_path / "sealed", secrets=BOX)
        assert "sealed, or left out" in report.refused[0].reason


@run
async def test_under_another_name_ids_stay_and_the_trail_is_chained_anew(tmp_path: Path) -> None:
    """It verifies there; both live beside each other."""
    async with bootstrap.open(MEMORY) as platform:
        scope = await filled(platform, "acme")
        await export_tenant(platform, "acme", tmp_path / "a", at=NOW, secrets=BOX)
        report = await import_tenant(platform, tmp_path / "a", tenant="copy", secrets=BOX)
        assert not report.refused
        copy = platform.for_tenant("copy")
        verified = await copy.audit.verify()
        assert verified.sound
        mine = await scope.audit.head()
        assert report.head is not None
        assert (report.head.sequence, report.head != mine) == (mine.sequence, True)
        assert verified.entries == report.head.sequence
        assert [one.id async for one in copy.flows.stream()] == [
            one.id async for one in scope.flows.stream()
        ]
        assert (await scope.audit.verify()).sound
        report = await import_tenant(platform, tmp_path / "a", tenant="copy", secrets=BOX)
        assert not any(kind.imported for kind in report.kinds.values())


@run
async def test_under_another_name_an_altered_trail_stays_altered(tmp_path: Path) -> None:
    """The same entry is named: a move makes nothing good."""
    async with bootstrap.open(MEMORY) as one, bootstrap.open(MEMORY) as other:
        await filled(one, "acme")
        await export_tenant(one, "acme", tmp_path, at=NOW)
        records = await archived(one, "acme")
        lines = (tmp_path / "audit_entries.jsonl").read_bytes()
        first, second, rest = lines.split(b"\n", 2)
        second = second.replace(b'"reason":"to be moved"', b'"reason":"to be hidden"')
        forged(tmp_path, "audit_entries.jsonl", b"\n".join([first, second, rest]))
        await import_tenant(other, tmp_path, tenant="copy")
        finding = (await other.for_tenant("copy").audit.verify()).finding
        assert finding is not None
        assert (finding.fault, finding.entry_id) == (
            AuditFault.ALTERED,
            records[AUDIT_ENTRIES][1].id,
        )


@run
async def test_who_was_erased_doesnt_come_back(tmp_path: Path) -> None:
    """A tenant with a tombstone is refused whole; of an erased user, each record is."""
    async with bootstrap.open(MEMORY) as platform:
        scope = await filled(platform, "acme")
        await export_tenant(platform, "acme", tmp_path, at=NOW)
        await platform.maintenance.erase_tenant(scope.tenant)
        with pytest.raises(ErasedError):
            await import_tenant(platform, tmp_path)
        assert not any((await archived(platform, "acme")).values())


@run
async def test_a_file_of_another_order_comes_in_as_well(tmp_path: Path) -> None:
    """Lines of a file may stand in any order, but for messages."""
    async with bootstrap.open(MEMORY) as one, bootstrap.open(MEMORY) as other:
        await filled(one, "acme")
        await export_tenant(one, "acme", tmp_path, at=NOW, secrets=BOX)
        for name in ("flows.jsonl", "integration_calls.jsonl", "sessions.jsonl"):
            lines = (tmp_path / name).read_bytes().splitlines(keepends=True)
            forged(tmp_path, name, b"".join(reversed(lines)))
        assert not (await import_tenant(other, tmp_path, secrets=BOX)).refused
        assert await shown(other.for_tenant("acme")) == await shown(one.for_tenant("acme"))


@run
async def test_executions_that_couldnt_be_counted_are_told(tmp_path: Path) -> None:
    """Those that another has taken, or whose flow isn't there; none, once they are counted. Other
    tenants' are none of its business."""
    async with bootstrap.open(MEMORY) as platform:
        scope = platform.for_tenant("acme")
        flow = await scope.flows.create(Flow.draft(name="one"))
        queue, now = platform.maintenance.analytics.executions, SystemClock().now()
        given = [execution(flow.id, now), execution(uuid4(), now)]
        await scope.analytics.record_executions(given)
        await platform.for_tenant("other").analytics.record_executions(given[1:])
        taken = await queue.take(now + timedelta(hours=1), now + timedelta(hours=2), 10)
        made = await export_tenant(platform, "acme", tmp_path, at=NOW)
        assert (made.uncounted_executions, load(tmp_path)) == (2, made)
        await queue.postpone(taken, now)
        assert (await export_tenant(platform, "acme", tmp_path, at=NOW)).uncounted_executions == 1
        await queue.settle(taken)
        assert (await export_tenant(platform, "acme", tmp_path, at=NOW)).uncounted_executions == 0


@run
async def test_an_import_goes_on_after_its_oldest_entries_were_purged(tmp_path: Path) -> None:
    """They have expired, and don't come back."""
    async with bootstrap.open(MEMORY) as one, bootstrap.open(MEMORY) as other:
        scope = await filled(one, "acme")
        await export_tenant(one, "acme", tmp_path, at=NOW)
        for name in ("acme", "copy"):
            await import_tenant(other, tmp_path, tenant=name)
        await other.maintenance.authoring.purge_audit(SystemClock().now())
        for name in ("acme", "copy"):
            report = await import_tenant(other, tmp_path, tenant=name)
            entries = report.kinds["audit_entries"]
            assert (report.refused, entries.unchanged + entries.imported) == ((), 0)
            assert entries.expired == len([one async for one in scope.audit.stream()])
            verified = await other.for_tenant(name).audit.verify()
            assert (verified.sound, verified.entries) == (True, 0)
