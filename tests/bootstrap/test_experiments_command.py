"""`dialogbase experiments results`, as a user or a program meets it."""

import pytest

import bootstrap
from bootstrap import Settings
from bootstrap.cli import call
from domain.experiments import Experiment, Variant
from tests.bootstrap.running import answer, run

NAME = "[Greeting] 50 % ü"


@run
async def _seen(settings: Settings, tenant: str, told: list[Experiment]) -> None:
    async with bootstrap.open(settings) as platform:
        experiments = platform.for_tenant(tenant).experiments
        variants = (
            Variant(name="control", weight=5_000, is_control=True),
            Variant(name="[warmer]", weight=5_000),
        )
        draft = Experiment.draft(name=NAME, variants=variants, metrics=("bought", "spent"))
        made = await experiments.create(draft)
        bare = Experiment.draft(name="bare", variants=variants)
        told += [made, await experiments.create(bare)]
        await experiments.start(made.id)
        for n in range(40):
            one = await experiments.assign(made.id, f"user {n}")
            assert one is not None
            if one.variant != "control" or n % 4 == 0:
                await experiments.record_outcome(made.id, f"user {n}", "bought")
        await experiments.record_outcome(made.id, "user 0", "spent", 12.5)


def test_results_are_shown_by_name_or_id(
    capsys: pytest.CaptureFixture[str], on_servers: Settings, by_url: None, tenant: str
) -> None:
    """To people and to programs; names are shown as they are."""
    told: list[Experiment] = []
    _seen(on_servers, tenant, told)
    show = ("experiments", "results", "--tenant", tenant)
    code, by_name = answer(capsys, *show, NAME)
    assert (code, by_name["name"], by_name["status"]) == (0, NAME, "running")
    assert answer(capsys, *show, str(told[0].id)) == (0, by_name)
    control, warmer = by_name["variants"]
    assert control["assigned"] + warmer["assigned"] == 40
    assert (control["is_control"], warmer["is_control"]) == (True, False)
    bought = warmer["metrics"][0]
    assert (bought["metric"], bought["rate"]["value"]) == ("bought", 1.0)
    assert bought["rate"]["lift"]["p_value"] < 0.001
    assert call([*show, NAME]) == 0
    printed = capsys.readouterr().out
    assert f"{NAME}, running; intervals of 0.95" in printed
    for part in ("bought", "spent", "[warmer]", "(control)", "<0.001", "100.0%", "12.5"):
        assert part in printed
    code, narrow = answer(capsys, *show, NAME, "--metric", "spent", "--confidence", "0.5")
    assert (code, narrow["confidence"]) == (0, 0.5)
    assert [it["metric"] for it in narrow["variants"][0]["metrics"]] == ["spent"]
    assert call([*show, "bare"]) == 0
    assert "it has no metrics; units assigned: control 0, [warmer] 0" in capsys.readouterr().out


def test_what_can_t_be_shown_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code tells a typing error from an experiment that isn't there."""
    show = ["experiments", "results", "--tenant", "acme", "--profile", "memory"]
    code, told = answer(capsys, *show, "nothing")
    assert (code, told) == (1, {"error": "no experiment with id nothing"})
    assert call([*show, "0198c5a0-0000-7000-8000-000000000001"]) == 1
