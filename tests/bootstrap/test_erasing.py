"""Erasures over the stores of a platform: their order, their failures and what they tell."""

from datetime import timedelta
from typing import Any

import attrs
import pytest

import bootstrap
from adapters.memory import MemoryDialogueStore
from bootstrap.erasing import KEPT, Step
from bootstrap.settings import Settings
from domain.conversations import Conversation
from domain.erasure import Tombstone
from domain.errors import ValidationError
from domain.executions import ExecutionState
from domain.identity import TenantId, UserId
from domain.integrations import CallReport, Integration, IntegrationType
from domain.rules import instant
from ports.errors import ErasedError, StoreUnavailableError, TransactionError
from tests.bootstrap.running import run

ACME, ADA = TenantId("acme"), UserId("ada")


@run
async def test_an_erasure_tells_where_it_is() -> None:
    """Everything is swept, then waited for, and swept again; what lives for a while at last."""
    told: list[Step] = []
    async with bootstrap.open(Settings.memory()) as platform:
        erasure = await platform.maintenance.erase_user(ACME, ADA, told=told.append)
    sweep = ["runtime", "dialogue", "analytics", "authoring"]
    assert [step.what for step in told] == [*sweep, "what is under way", *sweep, "runtime"]
    assert [step.number for step in told] == list(range(1, 11))
    assert {step.steps for step in told} == {10}
    assert [receipt.store for receipt in erasure.receipts] == sweep
    assert erasure.of_store("dialogue").total == erasure.total == 0
    with pytest.raises(LookupError):
        erasure.of_store("cellar")


@run
async def test_one_that_failed_is_told_and_goes_on() -> None:
    """Its receipts say what went before; the states of what stands still can still be found."""

    class Failing(MemoryDialogueStore):
        away = True

        def maintenance(self) -> Any:
            made: Any = super().maintenance()
            if self.away:
                made._erase_dialogues = self.refuse
            return made

        async def refuse(self, *_: object) -> None:
            raise StoreUnavailableError("nobody answers")

    dialogue = Failing()
    async with bootstrap.open(Settings.memory(), dialogue=dialogue) as platform:
        acme = platform.for_tenant(ACME)
        await acme.conversations.create(Conversation.draft(user_id=ADA, id="talk"))
        await acme.executions.save(ExecutionState.draft("talk"))
        with pytest.raises(StoreUnavailableError):
            await platform.maintenance.erase_user(ACME, ADA)
        (unfinished,) = await platform.maintenance.unfinished()
        assert (unfinished.user_id, unfinished.finished_at) == (ADA, None)
        assert unfinished.of_store("runtime").erased == {"executions": 1}
        dialogue.away = False
        (resumed,) = await platform.maintenance.resume()
        assert resumed.of_store("dialogue").erased == {"conversations": 1}
        assert resumed.of_store("runtime").erased == {"executions": 1}
        assert resumed.user_hash == unfinished.user_hash
        assert await platform.maintenance.unfinished() == []
        assert await platform.maintenance.resume() == []


@run
async def test_who_is_lifted_is_admitted_and_erased_anew() -> None:
    """The next erasure begins its receipts from nothing."""
    async with bootstrap.open(Settings.memory()) as platform:
        acme, maintenance = platform.for_tenant(ACME), platform.maintenance
        for _ in range(2):
            await acme.sessions.create(ADA)
            assert (await maintenance.erase_user(ACME, ADA)).total == 1
            with pytest.raises(ErasedError):
                await acme.sessions.create(ADA)
            assert await maintenance.lift(ACME, ADA) is True
        assert await maintenance.lift(ACME, ADA) is False
        assert await maintenance.erasures.find(ACME, ADA) is None


@run
async def test_who_is_lifted_meanwhile_was_not_erased_for_good() -> None:
    """Whoever erases is told; what went stays so, and what was written since stays."""
    async with bootstrap.open(Settings.memory()) as platform:
        maintenance, sessions = platform.maintenance, platform.for_tenant(ACME).sessions
        await sessions.create(ADA)

        async def lifted(_: float) -> None:
            await maintenance.lift(ACME, ADA)
            await sessions.create(ADA)

        erasures = attrs.evolve(maintenance.erasures, sleep=lifted)
        with pytest.raises(TransactionError):
            await erasures.erase(ACME, ADA)
        assert len(await sessions.for_user(ADA)) == 1
        assert await maintenance.unfinished() == []


@run
async def test_who_is_lifted_and_erased_anew_meanwhile_is_erased_by_the_second() -> None:
    """The first hasn't waited for those who heard of the second tombstone."""
    async with bootstrap.open(Settings.memory()) as platform:
        maintenance, sessions = platform.maintenance, platform.for_tenant(ACME).sessions

        async def anew(_: float) -> None:
            await maintenance.lift(ACME, ADA)
            await sessions.create(ADA)
            now = instant(maintenance.clock.now()) + timedelta(seconds=1)
            later = Tombstone(tenant_id=ACME, user_id=ADA, at=now, until=now + KEPT)
            for store in maintenance.erasures.stores.values():
                await store.tombstones.bury(later)

        with pytest.raises(TransactionError):
            await attrs.evolve(maintenance.erasures, sleep=anew).erase(ACME, ADA)
        (resumed,) = await maintenance.resume()
        assert resumed.of_store("runtime").erased == {"sessions": 1}


@run
async def test_a_call_in_a_conversation_that_just_went_says_nothing_of_it() -> None:
    """It is recorded by the conversation's id alone, by whoever was at work in it."""
    async with bootstrap.open(Settings.memory()) as platform:
        acme = platform.for_tenant(ACME)
        await acme.conversations.create(Conversation.draft(user_id=ADA, id="talk"))
        draft = Integration.draft(name="crm", type=IntegrationType.WEBHOOK)
        integration = await acme.integrations.create(draft)
        report = CallReport(
            success=False, latency_ms=1, error="no ada", conversation_id="talk", metadata={"a": 1}
        )

        async def called(_: float) -> None:
            await acme.integrations.record_call(integration.id, report)

        erasures = attrs.evolve(platform.maintenance.erasures, sleep=called)
        erasure = await erasures.erase(ACME, ADA)
        (call,) = (await acme.integrations.calls(integration.id)).items
        assert (call.conversation_id, call.error, call.metadata) == (None, None, {})
        assert erasure.of_store("authoring").erased == {"integration_calls": 1}


@run
async def test_the_tombstones_of_a_tenants_users_go_with_it() -> None:
    """Its own stands, for as long as the settings say."""
    settings = attrs.evolve(Settings.memory(), tombstone_days=3)
    async with bootstrap.open(settings) as platform:
        await platform.maintenance.erase_user(ACME, ADA)
        erasure = await platform.maintenance.erase_tenant(ACME)
        assert (erasure.until - erasure.began_at).days == 3
        (standing,) = [each async for each in platform.maintenance.erasures.standing()]
        assert standing.is_tenants


@run
async def test_what_cannot_be_anybody_is_refused() -> None:
    """Before any store is asked."""
    async with bootstrap.open(Settings.memory()) as platform:
        wrong: Any = platform.maintenance
        for asked in (("a c", ADA), (ACME, ""), (ACME, None)):
            with pytest.raises(ValidationError):
                await wrong.erase_user(*asked)
        with pytest.raises(ValidationError):
            await wrong.erase_tenant("acme*")
        assert await wrong.unfinished() == []
