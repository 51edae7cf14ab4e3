"""`dialogbase demo`: a story whose figures are computed as it is told."""

import pytest

from bootstrap.cli import call
from bootstrap.samples import DIALOGUES, FLOWS
from tests.bootstrap.running import answer


@pytest.mark.parametrize("profile", ["memory", "embedded"])
def test_the_demo_tells_its_story_with_figures_that_hold(
    capsys: pytest.CaptureFixture[str], profile: str
) -> None:
    """Twice on the same data."""
    samples, dialogues = (len(file.read_text().splitlines()) for file in (FLOWS, DIALOGUES))
    for _ in range(2):
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
    assert call(["demo", "--profile", profile, "--data", "data"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 100 for line in lines)
    assert sum(line.startswith("╭") for line in lines) == len(told["steps"]) + 1
