"""`dialogbase demo`: a story whose figures are computed as it is told."""

import asyncio
import sys
import tempfile
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.system import SystemClock
from bootstrap import Settings
from bootstrap import open as open_platform
from bootstrap.cli import call
from bootstrap.cli.story import beneath, story
from bootstrap.cli.story.figures import FigureChapter
from bootstrap.cli.story.keeping import KeepingChapter
from bootstrap.cli.story.pictures import drawn
from bootstrap.cli.story.scenes import Bar
from bootstrap.container import Container
from bootstrap.interchange import import_flows, opened_file
from bootstrap.platform import opened
from bootstrap.samples import DIALOGUES, FLOWS
from ports.tombstones import Tombstones
from tests.bootstrap.running import answer, run


@pytest.mark.parametrize("profile", ["memory", "embedded"])
def test_the_demo_tells_its_story_with_figures_that_hold(
    capsys: pytest.CaptureFixture[str], profile: str
) -> None:
    """And once more on the same data, in words."""
    samples, dialogues = (len(file.read_text().splitlines()) for file in (FLOWS, DIALOGUES))
    code, told = answer(capsys, "demo", "--profile", profile, "--data", "data")
    assert code == 0
    figures = {step["step"]: step for step in told["steps"]}
    assert figures["Import"]["imported"] == samples
    assert figures["Import"]["unchanged_on_second_run"] == samples
    assert figures["Publish"]["published"] == samples
    assert figures["One default"]["default_flows"] == 1
    assert figures["Versions and rollback"]["definition_equal"] is True
    assert figures["Search"]["found"]["100%"] == []
    assert figures["A stale writer"]["kept"] is True
    unit = figures["A unit of work, rolled back"]
    assert (unit["active_before"], unit["active_within"], unit["active_after"]) == (
        samples,
        0,
        samples,
    )
    assert figures["Another tenant"]["untouched"] is True
    talks = figures["Dialogues come in"]
    assert talks["imported"] == talks["unchanged_on_second_run"] == dialogues
    assert talks["exported_equal"] is True
    twice = figures["Said twice, kept once"]
    assert (twice["same"], twice["kept"]) == (True, 1)
    together = figures["All at once"]
    assert (together["appended"], together["gapless"], together["own_order"]) == (
        40,
        True,
        True,
    )
    assert figures["Turning pages back"]["pages"] == 3
    found = figures["Search what was said"]["found"]
    assert found["酒店"] == 2
    assert found["ettle"] == 0
    assert figures["What is over is over"] == {
        "step": "What is over is over",
        "refused": 2,
        "unchanged": True,
    }
    silent = figures["Fallen silent"]
    assert (silent["closed"], silent["silent"], silent["live"]) == (1, "timeout", "active")
    back = figures["Taken back"]
    assert (back["text"], back["found_before"], back["found_after"]) == (None, 1, 0)
    devices = figures["Three devices, one user"]
    assert (devices["survived"], devices["old_token_dead"]) == (20, True)
    assert (devices["listed"], devices["ended"], devices["left"]) == (3, 2, 1)
    burst = figures["A burst against a limit"]
    assert (burst["admitted"], burst["retry_after_told"], burst["never"]) == (5, True, True)
    crowd = figures["A stampede on the cache"]
    assert (crowd["loads"], crowd["equal"], crowd["stored_after_invalidation"]) == (
        1,
        True,
        False,
    )
    lock = figures["A lock that was lost"]
    assert (lock["told"], lock["token_grew"], lock["state"]) == (2, True, "payment")
    _authoring_holds(figures, on_servers=profile != "memory")
    _figures_hold(figures)
    _keeping_holds(figures, on_servers=profile != "memory")
    assert call(["demo", "--profile", profile, "--data", "data"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 100 for line in lines)
    assert sum(line.startswith("╭") for line in lines) == len(told["steps"]) + 1


def _authoring_holds(figures: dict[str, Any], *, on_servers: bool) -> None:
    tried = figures["An experiment"]
    assert (tried["visitors"], tried["moved"]) == (2_000, 0)
    # Six standard deviations about what the weights say.
    assert abs(tried["share"] - 0.5) < 0.07
    assert abs(tried["share_later"] - 0.8) < 0.11
    came = figures["What came of it"]
    assert came["assigned"] == 2_500
    assert came["counted"] == came["orders"] > 0
    assert came["interval"][0] < came["lift"] < came["interval"][1]
    assert Path(came["picture"]).read_bytes().startswith(b"\x89PNG")
    hidden = figures["Credentials that nobody sees"]
    assert (hidden["told"], hidden["opened"], hidden["encrypted"]) == (0, True, on_servers)
    partner = figures["A partner that fails"]
    assert partner["alerts"] == ["healthy", "degraded", "unhealthy", "healthy"]
    assert (partner["recovered"], partner["calls"], partner["logged"]) == (True, 9, 9)
    near = figures["Flows at hand"]
    assert near["seen_at_once"] is True
    assert ("late" in near) is on_servers
    assert (near["hits"] > 0) is on_servers
    trail = figures["Who did it"]
    assert trail["actors"][:4] == ["ada", "ada", "ada", "grace"]
    assert (trail["published_by"], trail["bobs"]) == ("ada", 0)
    altered = figures["A trail that was altered"]
    assert (altered["sound"], altered["named"], altered["sound_again"]) == (True, True, True)
    assert altered["tried"] == altered["refused"] == (4 if on_servers else 0)
    assert ("The second lock" in figures) is on_servers
    if on_servers:
        lock = figures["The second lock"]
        assert (lock["nobody"], lock["others"], lock["closed"]) == ("0", "0", True)
        assert int(lock["own"]) > 0


def _figures_hold(figures: dict[str, Any]) -> None:
    day = figures["A day of 25 hours"]
    assert (day["hours"], day["twos"], day["agreed"]) == (25, 2, True)
    assert (day["recorded"], day["recorded_again"], day["counted"]) == (1_500, 0, 1_500)
    once = figures["Counted exactly once"]
    assert once["killed_after"] == once["counted"] == once["executions"] == 300
    assert (once["recorded_again"], once["uncounted"]) == (0, 0)
    assert once["completed"] == once["ended_well"]


def _keeping_holds(figures: dict[str, Any], *, on_servers: bool) -> None:
    asked = figures["A user asks to be forgotten"]
    assert all(asked["found"].values())
    assert asked["late"] == asked["refused"] == 4
    forgotten = figures["Forgotten"]
    assert (forgotten["finished"], forgotten["found"], forgotten["anonymous"]) == (True, 0, True)
    assert forgotten["late"] == forgotten["refused"] == 4
    assert forgotten["erased"] == {
        "runtime": {"cached_values": 1, "executions": 1, "rate_limits": 1, "sessions": 1},
        "dialogue": {"contexts": 1, "conversations": 1, "messages": 2},
        "analytics": {"events": 3},
        "authoring": {"experiment_assignments": 1, "experiment_outcomes": 1},
    }
    assert forgotten["ellas"] == 1
    moved = figures["Moving out, and in again"]
    assert (moved["imported"], moved["refused"]) == (moved["records"], 0)
    assert (moved["altered_refused"], moved["equal"]) == (True, True)
    year = figures["A year passes"]
    assert (year["gone"], year["left"], year["sound"]) == (year["trail"], 1, True)
    assert year["swept"]["in 366 days"]["audit_entries"] == year["trail"]
    assert (year["held"], year["past_its_time"]) == (True, True)
    lost = figures["Everything hot is lost"]
    assert (lost["sessions_left"], lost["as_synchronised"]) == (0, True)
    assert (lost["slots"], lost["goes_on"]) == ({"kettles": 2}, "payment")
    assert lost["stale_told"] is True
    assert ("Is all well?" in figures) is on_servers
    if on_servers:
        well = figures["Is all well?"]
        assert (well["answering"], well["ready"]) == (True, True)
        assert well["checks"] > 20


@run
async def test_figures_of_what_is_not_kept_for_so_long_are_told_as_missing() -> None:
    """Of a day that lies further back than events are kept, nothing is recorded."""
    settings = Settings(profile="memory", analytics_retention_days=1)
    now = SystemClock().now()
    async with open_platform(settings) as platform:
        acme = platform.for_tenant("acme")
        with opened_file(FLOWS) as file:
            await import_flows(acme, file, at=now)
        told = [await scene() for scene in FigureChapter(platform, "acme", now).scenes()]
    assert told[0].figures == {"hours": 0}
    assert told[1].figures["counted"] == 300


@run
async def test_a_story_that_is_left_off_leaves_no_erasure_at_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which `dialogbase erase resume` can finish."""
    monkeypatch.setattr(Tombstones, "settled_after", timedelta(minutes=1))
    container = Container(settings=Settings.memory())
    async with opened(container) as platform:
        below, before = await beneath(container), asyncio.all_tasks()
        async with aclosing(story(platform, "acme", SystemClock().now(), below)) as told:
            async for step in told:
                if step.title == "A user asks to be forgotten":
                    break
            assert asyncio.all_tasks() > before
        assert asyncio.all_tasks() == before
        assert len(await platform.maintenance.unfinished()) == 1


@run
async def test_what_the_story_exports_goes_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is personal data, and nobody asked for it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    async with open_platform(Settings.memory()) as platform:
        chapter = KeepingChapter(platform, "acme")
        await chapter.scenes()[0]()
        assert "flows.jsonl" in _names(tmp_path)
        await chapter.close()
        assert _names(tmp_path) == set()


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


def test_a_picture_that_cannot_be_made_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a folder that isn't there, or without matplotlib."""
    bars = [Bar(name="a", low=0.1, value=0.2, high=0.3)]
    assert drawn(bars, tmp_path / "none" / "a.png", title="t", confidence=0.95) is None
    assert drawn(bars, tmp_path / "a.png", title="t", confidence=0.95) == tmp_path / "a.png"
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert drawn(bars, tmp_path / "b.png", title="t", confidence=0.95) is None
