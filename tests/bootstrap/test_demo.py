"""`dialogbase demo`: a story whose figures are computed as it is told."""

import sys
from pathlib import Path
from typing import Any

import pytest

from bootstrap.cli import call
from bootstrap.cli.story.pictures import drawn
from bootstrap.cli.story.scenes import Bar
from bootstrap.samples import DIALOGUES, FLOWS
from tests.bootstrap.running import answer


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


def test_a_picture_that_cannot_be_made_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a folder that isn't there, or without matplotlib."""
    bars = [Bar(name="a", low=0.1, value=0.2, high=0.3)]
    assert drawn(bars, tmp_path / "none" / "a.png", title="t", confidence=0.95) is None
    assert drawn(bars, tmp_path / "a.png", title="t", confidence=0.95) == tmp_path / "a.png"
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert drawn(bars, tmp_path / "b.png", title="t", confidence=0.95) is None
