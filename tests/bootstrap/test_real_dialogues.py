"""The main job on real input: 50 000 turns of other people's dialogues, in and out again."""

import asyncio
import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import bootstrap
from bootstrap import Settings
from bootstrap.interchange import ImportReport, export_dialogues, import_dialogues, opened_file
from ports.stores import TenantScope
from tests.bootstrap.running import run
from tests.bootstrap.stores import environment_of
from tests.bootstrap.test_real_flows import DATA

FILE = DATA / "dialogues.jsonl.gz"
TOTAL = 2_045
NOW = datetime(2030, 1, 1, tzinfo=UTC)
IMPORT = (sys.executable, "-m", "bootstrap.cli", "import", "dialogues")

pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"the real dialogues are not in {DATA}")


def real_lines() -> Iterator[bytes]:
    """The file's, one by one."""
    with gzip.open(FILE) as file:
        yield from file


def by_id(lines: Iterator[bytes]) -> dict[str, str]:
    """Records to the letter, whatever the order of their keys."""
    records = map(json.loads, lines)
    return {one["id"]: json.dumps(one, sort_keys=True) for one in records}


async def exported(scope: TenantScope, path: Path) -> dict[str, str]:
    """What an export writes."""
    with path.open("wb") as file:
        count = await export_dialogues(scope, file)
    with path.open("rb") as file:
        written = by_id(iter(file))
    assert len(written) == count
    return written


async def importing(settings: Settings, file: Path, tenant: str) -> asyncio.subprocess.Process:
    """An import in a process of its own."""
    return await asyncio.create_subprocess_exec(
        *(*IMPORT, str(file), "--tenant", tenant, "--json"),
        env=os.environ | environment_of(settings),
        stdout=subprocess.PIPE,
    )


async def told_by(process: asyncio.subprocess.Process) -> Any:
    output, _ = await process.communicate()
    return json.loads(output)


@run
async def test_real_dialogues_come_back_equal(tmp_path: Path) -> None:
    """Every one of 2 045, its 50 313 turns to the letter; some, imported again, change nothing."""
    async with bootstrap.open(Settings.memory()) as platform:
        scope = platform.for_tenant("acme")
        with opened_file(FILE) as file:
            assert await import_dialogues(scope, file, at=NOW) == ImportReport(TOTAL, 0, ())
        part = tmp_path / "part.jsonl"
        part.write_bytes(b"".join(islice(real_lines(), 100)))
        with opened_file(part) as file:
            assert await import_dialogues(scope, file, at=NOW) == ImportReport(0, 100, ())
        assert await exported(scope, tmp_path / "out") == by_id(real_lines())


@run
async def test_an_import_of_real_dialogues_that_was_killed_is_completed_by_the_next(
    mongo_settings: Settings, tenant: str, tmp_path: Path
) -> None:
    """It left whole conversations; in the end all are there, to the letter, and nothing twice."""
    part, total = tmp_path / "part.jsonl", 500
    part.write_bytes(b"".join(islice(real_lines(), total)))
    last = json.loads(next(islice(real_lines(), 100, None)))["id"]
    async with bootstrap.open(mongo_settings) as platform:
        scope = platform.for_tenant(tenant)
        killed = await importing(mongo_settings, part, tenant)
        while not await scope.conversations.exists(last):
            assert killed.returncode is None
            await asyncio.sleep(0.02)
        killed.kill()
        await killed.communicate()
        assert killed.returncode == -signal.SIGKILL
        expected = by_id(islice(real_lines(), total))
        left = await exported(scope, tmp_path / "left")
        assert 100 < len(left) < total
        assert left.items() <= expected.items()
        told = await told_by(await importing(mongo_settings, part, tenant))
        assert told["refused"] == []
        assert (told["unchanged"], told["imported"]) == (len(left), total - len(left))
        assert await exported(scope, tmp_path / "out") == expected


@run
async def test_two_processes_that_import_the_same_file_store_it_once(
    on_servers: Settings, tenant: str, tmp_path: Path
) -> None:
    """Whoever comes second to a dialogue finds it unchanged."""
    part = tmp_path / "part.jsonl"
    part.write_bytes(b"".join(islice(real_lines(), 150)))
    processes = [await importing(on_servers, part, tenant) for _ in range(2)]
    one, other = await asyncio.gather(*map(told_by, processes))
    assert one["refused"] == other["refused"] == []
    assert one["imported"] + other["imported"] == 150
    assert one["imported"] + one["unchanged"] == other["imported"] + other["unchanged"] == 150
    async with bootstrap.open(on_servers) as platform:
        written = await exported(platform.for_tenant(tenant), tmp_path / "out")
    with part.open("rb") as file:
        assert written == by_id(iter(file))
