"""Cancelled in the midst of a dialogue: all of an operation or unit, or nothing, and no gap."""

import asyncio

from domain.conversations import Conversation
from domain.messages import MessageAnalysis
from ports.capabilities import Capability
from ports.contracts.cancellation import MOST_STEPS, cancelled_at
from ports.contracts.dialogues import begun, gap_free, log_of, numbers, said, say, texts
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract
from ports.stores import TenantScope


@contract
async def test_an_append_cancelled_anywhere_is_all_or_nothing(backend: Backend) -> None:
    """At every await; the log goes on without a gap, and the head counts what is there."""
    for step in range(MOST_STEPS):
        here, there = backend.rivals()
        talk = await begun(here)
        cancelled = await cancelled_at(step, say(here, talk, "a", "b", "c"))
        # One read: what was cancelled may still be under way in the store.
        found = texts(await there.messages.latest(talk.id))
        assert found in ([[], ["a", "b", "c"]] if cancelled else [["a", "b", "c"]])
        (after,) = await say(here, talk, "after")
        stored = await log_of(there, talk)
        assert gap_free(stored)
        assert after.sequence in (1, 4)
        assert sorted(map(str, texts(stored))) in (["after"], ["a", "after", "b", "c"])
        if not cancelled:
            head = await there.conversations.require(talk.id)
            assert (head.last_sequence, head.message_count) == (4, 4)
            return
    raise AssertionError(f"the append did not end in {MOST_STEPS} steps")


@contract
async def test_a_keyed_append_cancelled_anywhere_may_be_repeated(backend: Backend) -> None:
    """Wherever it was cancelled: the same again, from any instance, leaves it there once."""
    for step in range(MOST_STEPS):
        here, there = backend.rivals()
        talk = await begun(here)
        cancelled = await cancelled_at(
            step, here.messages.append(talk.id, said("a", "b"), idempotency_key="k")
        )
        repeated = await there.messages.append(talk.id, said("a", "b"), idempotency_key="k")
        assert numbers(repeated) == [1, 2]
        assert exact(await log_of(here, talk)) == exact(list(repeated))
        head = await here.conversations.require(talk.id)
        assert (head.last_sequence, head.message_count) == (2, 2)
        assert numbers(await say(here, talk, "c")) == [3]
        if not cancelled:
            return
    raise AssertionError(f"the append did not end in {MOST_STEPS} steps")


@contract
async def test_a_redaction_cancelled_anywhere_may_be_repeated(backend: Backend) -> None:
    """The count falls by one for it, however often it was begun."""
    for step in range(MOST_STEPS):
        here, there = backend.rivals()
        talk = await begun(here)
        stored = await say(here, talk, "a", "b")
        cancelled = await cancelled_at(step, here.messages.redact(stored[0].id))
        redacted = await there.messages.redact(stored[0].id)
        assert redacted.text is None
        head = await there.conversations.require(talk.id)
        assert (head.last_sequence, head.message_count) == (2, 1)
        if not cancelled:
            return
    raise AssertionError(f"the redaction did not end in {MOST_STEPS} steps")


@contract
async def test_a_deletion_cancelled_anywhere_leaves_no_half_conversation(backend: Backend) -> None:
    """With all of its messages it is there, or all of it is gone."""
    for step in range(MOST_STEPS):
        here, there = backend.rivals()
        talk = await begun(here)
        await say(here, talk, *["x"] * 5)
        cancelled = await cancelled_at(step, here.conversations.delete(talk.id))
        assert await there.messages.count() in ((5, 0) if cancelled else (0,))
        # Repeated, it is gone for good, and nothing of it is left.
        await there.conversations.delete(talk.id)
        assert await there.conversations.exists(talk.id) is False
        assert await there.messages.count() == 0
        if not cancelled:
            return
    raise AssertionError(f"the deletion did not end in {MOST_STEPS} steps")


@contract(needs=Capability.TRANSACTIONS)
async def test_a_dialogue_unit_cancelled_anywhere_is_all_or_nothing(backend: Backend) -> None:
    """Conversation, messages and context alike; what comes after it has no gap to leap."""
    for step in range(MOST_STEPS):
        here, there = backend.rivals()
        old = await begun(here, "old")
        (kept,) = await say(here, old, "kept")
        done: list[bool] = []

        async def unit(
            here: TenantScope = here,
            old: Conversation = old,
            kept: str = kept.id,
            done: list[bool] = done,
        ) -> None:
            async with here.dialogue() as work:
                new = await begun(work, "new")
                await say(work, new, "a", "b")
                await asyncio.sleep(0)  # also where a store itself never waits
                await say(work, old, "c")
                await work.messages.annotate(kept, analysis=MessageAnalysis(intent="x"))
                await work.conversations.transition(old.id, "paused")
                done.append(True)

        cancelled = await cancelled_at(step, unit())
        stored = [message.text async for message in there.messages.stream(None, "at")]
        assert len(stored) in ((1, 4) if cancelled and done else (4,) if done else (1,))
        assert cancelled or done
        await say(there, old, "after")
        assert gap_free(await log_of(here, old))
        if not cancelled:
            assert await here.messages.count({"intent": "x"}) == 1
            assert (await here.conversations.require(old.id)).status == "paused"
            assert (await here.conversations.require("new")).last_sequence == 2
            return
    raise AssertionError(f"the unit did not end in {MOST_STEPS} steps")
