"""Restoring logs: whole entries as an export holds them, without gaps, under heads that stand."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from domain.conversations import Conversation, ConversationStatus
from domain.errors import ValidationError
from domain.identity import TenantId
from domain.messages import Message, MessageAnalysis
from ports.capabilities import Capability
from ports.contracts.dialogues import CLOSED, begun, log_of, numbers, said, say
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, raised_by
from ports.errors import (
    DuplicateEntityError,
    EntityNotFoundError,
    IdempotencyKeyReusedError,
    SequenceConflictError,
    TenantMismatchError,
)
from ports.stores import TenantScope

DUE = datetime(2001, 1, 1, tzinfo=UTC)
"""Before anything else was to be kept until."""


def belonging(messages: Sequence[Message], tenant: TenantId) -> list[Message]:
    """The messages as another tenant's."""
    return [attrs.evolve(message, tenant_id=tenant) for message in messages]


async def exported(backend: Backend, count: int = 5) -> tuple[Conversation, list[Message]]:
    """A conversation, and all of its log: keyed, annotated, redacted."""
    scope = backend.fresh()
    talk = await begun(scope, "talk")
    await scope.messages.append(talk.id, said("keyed"), idempotency_key="k")
    last = await say(scope, talk, *(f"{n}" for n in range(count - 1)))
    await scope.messages.annotate(last[0].id, analysis=MessageAnalysis(intent="greet"))
    await scope.messages.redact(last[-1].id)
    return await scope.conversations.require(talk.id), await log_of(scope, talk)


async def with_head(scope: TenantScope, talk: Conversation, **fields: Any) -> Conversation:
    """The exported conversation, stored in that tenant."""
    owned = attrs.evolve(talk, tenant_id=scope.tenant, **fields)
    return await scope.conversations.create(owned)


@contract
async def test_a_restored_log_is_the_one_that_was_exported(
    backend: Backend, scope: TenantScope
) -> None:
    """In every part, in whatever order it is given; the head stays, the log goes on after it."""
    exported_talk, log = await exported(backend)
    talk = await with_head(scope, exported_talk)
    entries = belonging(log, scope.tenant)
    await scope.messages.restore([entries[n] for n in (3, 0, 4, 2, 1)])
    assert exact(await log_of(scope, talk)) == exact(entries)
    assert exact(await scope.messages.require(entries[1].id)) == exact(entries[1])
    assert exact(await scope.conversations.require(talk.id)) == exact(talk)
    assert numbers(await say(scope, talk, "next")) == [6]


@contract
async def test_a_log_is_restored_piece_by_piece(backend: Backend, scope: TenantScope) -> None:
    """Each after the one before; until the last of them it lacks its end, also as it goes on."""
    exported_talk, log = await exported(backend)
    talk = await with_head(scope, exported_talk)
    entries = belonging(log, scope.tenant)
    await scope.messages.restore(entries[:2])
    assert numbers(await log_of(scope, talk)) == [1, 2]
    (added,) = await say(scope, talk, "meanwhile")
    assert added.sequence == 6
    await scope.messages.restore(entries[2:4])
    await scope.messages.restore(entries[4:])
    assert exact(await log_of(scope, talk)) == exact([*entries, added])


@contract
async def test_several_logs_are_restored_at_once(backend: Backend, scope: TenantScope) -> None:
    """All or none of them: a fault in one keeps the other out."""
    first, log = await exported(backend)
    await with_head(scope, first, id="one")
    await with_head(scope, first, id="two")

    def of(id: str) -> list[Message]:
        owned = belonging(log, scope.tenant)
        return [attrs.evolve(e, conversation_id=id, id=f"{id} {e.sequence}") for e in owned]

    error = await raised_by(scope.messages.restore([*of("one"), *of("two")[1:]]))
    assert isinstance(error, SequenceConflictError)
    assert error.entity_id == "two"
    assert await scope.messages.count() == 0
    await scope.messages.restore([*of("two"), *of("one")])
    assert await scope.messages.count() == 10


@pytest.mark.parametrize("status", CLOSED)
@contract
async def test_a_closed_conversation_takes_its_log_back(
    backend: Backend, scope: TenantScope, status: ConversationStatus
) -> None:
    """Most exported ones are closed."""
    exported_talk, log = await exported(backend)
    talk = await with_head(scope, exported_talk, status=status)
    await scope.messages.restore(belonging(log, scope.tenant))
    assert numbers(await log_of(scope, talk)) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("fault", ["begins late", "gap", "gap after stored", "beyond the head"])
@contract
async def test_a_log_with_a_gap_is_not_restored(
    backend: Backend, scope: TenantScope, fault: str
) -> None:
    """Nor one that goes beyond its head; nothing of it is stored."""
    exported_talk, log = await exported(backend)
    talk = await with_head(scope, exported_talk)
    entries = belonging(log, scope.tenant)
    stored: list[Message] = []
    if fault == "begins late":
        given = entries[1:]
    elif fault == "gap":
        given = [*entries[:2], *entries[3:]]
    elif fault == "gap after stored":
        stored, given = entries[:1], entries[2:]
        await scope.messages.restore(stored)
    else:
        given = [*entries, attrs.evolve(entries[0], id="beyond", sequence=6)]
    error = await raised_by(scope.messages.restore(given))
    assert isinstance(error, SequenceConflictError)
    assert (error.entity_type, error.entity_id) == ("conversation", talk.id)
    assert exact(await log_of(scope, talk)) == exact(stored)
    assert await scope.messages.count() == len(stored)


@contract
async def test_what_is_taken_is_not_restored(backend: Backend, scope: TenantScope) -> None:
    """Neither an id nor a number; nothing is stored or overwritten."""
    exported_talk, log = await exported(backend)
    talk = await with_head(scope, exported_talk)
    entries = belonging(log, scope.tenant)
    await scope.messages.restore(entries[:3])
    again = [attrs.evolve(entry, id=f"other {entry.sequence}") for entry in entries]
    same_id = [attrs.evolve(entries[3], id=entries[0].id), entries[4]]
    for given in (entries, entries[2:3], again, again[2:], same_id):
        error = await raised_by(scope.messages.restore(given))
        assert isinstance(error, DuplicateEntityError)
        assert error.entity_type == "message"
        assert exact(await log_of(scope, talk)) == exact(entries[:3])
    await scope.messages.restore(entries[3:])
    assert exact(await log_of(scope, talk)) == exact(entries)


@contract
async def test_of_several_faults_the_first_is_told(backend: Backend, scope: TenantScope) -> None:
    """A missing owner before a gap, a gap before what is taken, an id before a number."""
    exported_talk, log = await exported(backend)
    for id in ("one", "two"):
        await with_head(scope, exported_talk, id=id)

    def of(id: str) -> list[Message]:
        owned = belonging(log, scope.tenant)
        return [attrs.evolve(e, conversation_id=id, id=f"{id} {e.sequence}") for e in owned]

    await scope.messages.restore(of("one"))
    nobody = await raised_by(scope.messages.restore([*of("one"), *of("two")[1:], *of("three")]))
    assert isinstance(nobody, EntityNotFoundError)
    assert nobody.entity_id == "three"
    gap = await raised_by(scope.messages.restore([*of("one"), *of("two")[1:]]))
    assert isinstance(gap, SequenceConflictError)
    assert gap.entity_id == "two"
    both = await raised_by(scope.messages.restore([*of("two"), *of("one")]))
    assert isinstance(both, DuplicateEntityError)
    assert both.key == ("id",)
    renamed = [attrs.evolve(entry, id=f"other {entry.sequence}") for entry in of("one")]
    number = await raised_by(scope.messages.restore([*of("two"), *renamed]))
    assert isinstance(number, DuplicateEntityError)
    assert number.key == ("conversation_id", "sequence")
    assert await scope.messages.count() == 5


@contract
async def test_an_entry_of_nobody_is_not_restored(backend: Backend, scope: TenantScope) -> None:
    """Nor one of another tenant, nor what is no entry at all."""
    exported_talk, log = await exported(backend)
    entries = belonging(log, scope.tenant)
    error = await raised_by(scope.messages.restore(entries))
    assert isinstance(error, EntityNotFoundError)
    assert (error.entity_type, error.entity_id) == ("conversation", exported_talk.id)
    await with_head(scope, exported_talk)
    assert isinstance(
        await raised_by(scope.messages.restore([*entries[:4], log[4]])), TenantMismatchError
    )
    drafts: Any = said("a")
    assert isinstance(await raised_by(scope.messages.restore(drafts)), ValidationError)
    assert await scope.messages.count() == 0


@contract
async def test_nothing_is_restored_from_nothing(scope: TenantScope) -> None:
    """An empty export is no error."""
    await scope.messages.restore([])
    for wrong in (None, 7):
        error = await raised_by(scope.messages.restore(wrong))  # type: ignore[arg-type]
        assert isinstance(error, ValidationError)
    assert await scope.messages.count() == 0


@contract
async def test_a_restored_key_recognises_nothing(backend: Backend, scope: TenantScope) -> None:
    """It is a field of what was restored; under it, whatever comes first is appended."""
    exported_talk, log = await exported(backend)
    talk = await with_head(scope, exported_talk)
    await scope.messages.restore(belonging(log, scope.tenant))
    assert (await log_of(scope, talk))[0].idempotency_key == "k"
    append = scope.messages.append
    made = await append(talk.id, said("keyed"), idempotency_key="k")
    assert numbers(made) == [6]
    assert exact(await append(talk.id, said("keyed"), idempotency_key="k")) == exact(made)


@contract
async def test_what_was_restored_can_be_found_annotated_and_redacted(
    backend: Backend, scope: TenantScope
) -> None:
    """As if it had been appended here."""
    exported_talk, log = await exported(backend)
    talk = await with_head(scope, exported_talk)
    await scope.messages.restore(belonging(log, scope.tenant))
    assert [one.id for one in (await scope.messages.search("key")).items] == [log[0].id]
    assert [one.id for one in (await scope.messages.by_intent("greet")).items] == [log[1].id]
    await scope.messages.annotate(log[2].id, analysis=MessageAnalysis(intent="greet"))
    assert len((await scope.messages.by_intent("greet")).items) == 2
    await scope.messages.redact(log[0].id)
    assert (await scope.messages.search("key")).items == ()
    head = await scope.conversations.require(talk.id)
    assert (head.last_sequence, head.message_count) == (5, talk.message_count - 1)


@contract
@pytest.mark.parametrize("log_is", ["there", "missing"])
async def test_a_conversation_goes_whatever_number_its_head_names(
    backend: Backend, scope: TenantScope, log_is: str
) -> None:
    """It costs what is stored, not what the head says; so do a page of it, and a purge."""
    exported_talk, log = await exported(backend)
    await with_head(
        scope, exported_talk, last_sequence=2**62, message_count=2**62, retain_until=DUE
    )
    if log_is == "there":
        await scope.messages.restore(belonging(log, scope.tenant))
    for bound in ({"after": 0}, {"before": 2**62}):
        page = await scope.messages.history(exported_talk.id, **bound)
        assert len(page.items) == (len(log) if log_is == "there" else 0)
    assert await scope.conversations.delete(exported_talk.id) is True
    assert await scope.messages.count() == 0
    await with_head(scope, exported_talk, last_sequence=2**62, retain_until=DUE)
    dialogue = backend.instances[0].dialogue
    assert dialogue is not None
    await dialogue.maintenance().purge_expired(DUE)
    assert await scope.conversations.count() == 0


@contract
async def test_redacting_lowers_no_count_below_nothing(
    backend: Backend, scope: TenantScope
) -> None:
    """A head that was restored with too low a count stays one that can be changed."""
    exported_talk, log = await exported(backend)
    talk = await with_head(scope, exported_talk, message_count=1)
    await scope.messages.restore(belonging(log, scope.tenant))
    for message in log[:3]:
        await scope.messages.redact(message.id)
    head = await scope.conversations.require(talk.id)
    assert (head.last_sequence, head.message_count) == (5, 0)
    assert (await scope.conversations.transition(talk.id, "paused")).message_count == 0


@contract
async def test_redacting_what_was_restored_touches_no_later_append(
    backend: Backend, scope: TenantScope
) -> None:
    """One that was made under the same key goes on being compared."""
    exported_talk, log = await exported(backend)
    talk = await with_head(scope, exported_talk)
    await scope.messages.restore(belonging(log, scope.tenant))
    append = scope.messages.append
    made = await append(talk.id, said("another"), idempotency_key="k")
    await scope.messages.redact(log[0].id)
    error = await raised_by(append(talk.id, said("differs"), idempotency_key="k"))
    assert isinstance(error, IdempotencyKeyReusedError)
    assert exact(await append(talk.id, said("another"), idempotency_key="k")) == exact(made)


@contract(needs=Capability.TRANSACTIONS)
async def test_a_conversation_and_its_log_are_restored_in_one_unit(
    backend: Backend, scope: TenantScope
) -> None:
    """The head first; a unit that is doomed by a gap leaves neither."""
    exported_talk, log = await exported(backend)
    owned = attrs.evolve(exported_talk, tenant_id=scope.tenant)
    entries = belonging(log, scope.tenant)

    async def unit(given: list[Message]) -> None:
        async with scope.dialogue() as work:
            await work.conversations.create(owned)
            await work.messages.restore(given)

    assert isinstance(await raised_by(unit(entries[1:])), SequenceConflictError)
    assert await scope.conversations.count() == await scope.messages.count() == 0
    await unit(entries)
    assert exact(await log_of(scope, owned)) == exact(entries)
