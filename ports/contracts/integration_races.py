"""Races for integrations: calls, marks, edits and keys, between two instances of a store."""

from typing import Any

from domain.integrations import CallReport, Integration, IntegrationHealth, health_after
from domain.secrets import Secret
from ports.contracts.cancellation import MOST_STEPS, cancelled_at
from ports.contracts.concurrency import RACERS, ROUNDS, all_at_once, split
from ports.contracts.harness import Backend, contract
from ports.contracts.integrations import FAILURE, SUCCESS, new_integration
from ports.contracts.outbox_takers import Taker, dispatcher, subscribed
from ports.errors import EntityNotFoundError
from ports.integrations import IntegrationRepository, RecordedCall


def integration_pair(backend: Backend) -> tuple[IntegrationRepository, IntegrationRepository]:
    """An unused tenant's integrations on each of two instances."""
    here, there = backend.rivals()
    return here.integrations, there.integrations


@contract
async def test_no_call_is_lost(backend: Backend) -> None:
    """Every one is counted once and logged once; health and failures in a row are those which the
    log, read in its order, comes to; and edits in between are not disturbed.
    """
    repositories = integration_pair(backend)
    made = await new_integration(repositories[0])

    async def act(number: int, integrations: IntegrationRepository) -> list[RecordedCall]:
        if number == 0:
            for timeout in range(1, 4):
                await integrations.patch(made.id, timeout_ms=timeout)
            return []
        return [
            await integrations.record_call(
                made.id, CallReport(success=(number + n) % 3 == 0, latency_ms=number)
            )
            for n in range(5)
        ]

    won, lost = split(await all_at_once(repositories, act))
    assert not lost
    recorded = {one.call.sequence: one for calls in won for one in calls}
    calls = 5 * (RACERS - 1)
    assert sorted(recorded) == list(range(1, calls + 1))
    log = (await repositories[1].calls(made.id, limit=1_000)).items[::-1]
    assert [call.sequence for call in log] == sorted(recorded)
    health, failures = made.health, 0
    for call in log:
        assert call == recorded[call.sequence].call
        failures = 0 if call.success else failures + 1
        before, health = health, health_after(health, failures)
        told = recorded[call.sequence]
        assert (told.health, told.consecutive_failures) == (health, failures)
        assert told.health_changed is (health is not before)
    stored = await repositories[1].require(made.id)
    assert (stored.health, stored.consecutive_failures) == (health, failures)
    assert (stored.call_count, stored.failure_count) == (
        calls,
        sum(not call.success for call in log),
    )
    assert stored.latency_total_ms == 5 * sum(range(1, RACERS))
    assert (stored.revision, stored.timeout_ms) == (4, 3)


@contract
async def test_a_change_of_health_is_told_by_one_of_many(backend: Backend) -> None:
    """Who fails at the same time finds it changed already."""
    here, there = backend.rivals()
    taker = Taker(here.tenant)
    made = await new_integration(here.integrations)
    async with subscribed(backend, taker):
        for _ in range(ROUNDS):
            for report in (SUCCESS, FAILURE):

                def act(
                    number: int, integrations: IntegrationRepository, report: CallReport = report
                ) -> Any:
                    return integrations.record_call(made.id, report)

                won, lost = split(
                    await all_at_once((here.integrations, there.integrations), act, 4)
                )
                assert not lost
                assert sum(one.health_changed for one in won) == 1
        await dispatcher(backend, taker).once()
    assert len(taker.taken) == 2 * ROUNDS


@contract
async def test_a_deletion_and_calls_do_not_mix(backend: Backend) -> None:
    """A call is recorded or told that there is nothing; no log is left behind."""
    for _ in range(ROUNDS):
        repositories = integration_pair(backend)
        made = await new_integration(repositories[0])

        def act(number: int, integrations: IntegrationRepository, made: Integration = made) -> Any:
            if number == 0:
                return integrations.delete(made.id)
            return integrations.record_call(made.id, FAILURE)

        results = await all_at_once(repositories, act)
        assert results[0] is True
        assert {type(error) for error in split(results)[1]} <= {EntityNotFoundError}
        assert (await repositories[1].calls(made.id)).items == ()


@contract
async def test_a_call_cancelled_anywhere_is_recorded_whole_or_not_at_all(backend: Backend) -> None:
    """The count, the health and the log agree, at every await."""
    for step in range(MOST_STEPS):
        here, there = integration_pair(backend)
        made = await new_integration(here, credentials=Secret({"key": "k"}))
        report = CallReport(success=False, latency_ms=1, error="no")
        cancelled = await cancelled_at(step, here.record_call(made.id, report))
        # What was cancelled may still be under way in the store, and end between two readings.
        before, stored = None, await there.require(made.id)
        while before != stored:
            log = (await there.calls(made.id)).items
            before, stored = stored, await there.require(made.id)
        assert stored.call_count == stored.failure_count == len(log)
        assert (stored.health is IntegrationHealth.DEGRADED) is bool(log)
        if not cancelled:
            assert len(log) == 1
            return
    raise AssertionError(f"the call did not end in {MOST_STEPS} steps")


@contract
async def test_keys_that_change_overwrite_nobodys_credentials(backend: Backend) -> None:
    """Whoever sets credentials while they are encrypted anew finds what they set."""
    repositories = integration_pair(backend)
    made = [
        await new_integration(repositories[0], f"{n}", credentials=Secret({"key": n}))
        for n in range(RACERS)
    ]
    for turn in range(ROUNDS):
        backend.keys.another()

        def act(number: int, integrations: IntegrationRepository, turn: int = turn) -> Any:
            if number < 2:
                return integrations.rotate_credentials()
            return integrations.set_credentials(made[number].id, Secret({"turn": turn}))

        _, lost = split(await all_at_once(repositories, act))
        assert not lost
        for number, one in enumerate(made):
            stored = await repositories[1].require(one.id)
            assert stored.credentials == Secret({"key": number} if number < 2 else {"turn": turn})
        assert await repositories[0].rotate_credentials() == 0
