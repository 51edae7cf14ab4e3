"""Each broken cache of flows is failed by its contract; the sound one passes the same, and so it
does without the shared cache.
"""

import pytest

from ports.contracts import flow_reads, flows
from ports.errors import RepositoryError
from tests.broken import cached_adapters as broken
from tests.broken.finding_out import Case, found_out, on_the_sound

CASES = [
    Case(
        broken.FillsStale,
        flow_reads.test_a_read_that_begins_after_a_write_shows_it,
        {"way": "by id"},
    ),
    Case(
        broken.JoinsWhateverIsRead,
        flow_reads.test_a_read_that_begins_after_a_write_shows_it,
        {"way": "default"},
    ),
    Case(
        broken.LagsInItsOwnCounts,
        flow_reads.test_a_read_that_begins_after_a_use_shows_it,
        {"way": "required"},
    ),
    Case(broken.CountsWithoutOrder, flow_reads.test_who_is_used_comes_first_at_once),
    Case(broken.ShowsErrors, flows.test_publish_makes_a_flow_active),
    Case(
        broken.ForgetsTheFormerDefault,
        flow_reads.test_every_change_shows_in_every_read,
        {"step": "set default"},
    ),
    Case(
        broken.ForgetsThatThereWasNone,
        flow_reads.test_every_change_shows_in_every_read,
        {"step": "create"},
    ),
    Case(broken.ForgetsThatThereWasNone, flow_reads.test_the_named_reads_agree_with_the_lists),
    Case(
        broken.ForgetsBulk,
        flow_reads.test_every_change_shows_in_every_read,
        {"step": "patch all"},
    ),
    Case(
        broken.DropsBeforeTheCommit,
        flow_reads.test_what_a_unit_wrote_shows_once_it_has_committed,
        {"way": "active"},
    ),
    Case(
        broken.UnitsReadTheCache,
        flow_reads.test_the_named_reads_of_a_unit_agree_with_its_lists,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_broken_cache_is_found_out(case: Case) -> None:
    """Its contract fails on it."""
    found_out(case, RepositoryError)


@pytest.mark.parametrize(
    "case",
    [
        case
        for sound in (broken.SoundCache, broken.WithoutTheSharedCache)
        for case in on_the_sound(sound, CASES)
    ],
    ids=str,
)
def test_the_sound_cache_passes_the_same_contracts(case: Case) -> None:
    """So it is the fault that fails it."""
    case.run()
