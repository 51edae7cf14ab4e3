"""Conversations that were put back: their messages in their order, without a gap."""

import attrs

from domain.conversations import Conversation
from domain.messages import Message
from ports.archives import CONTEXTS, CONVERSATIONS, MESSAGES
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, Group, contract
from ports.contracts.tenant_contents import archive_of, contents, fill, put_back
from ports.stores import TenantScope


async def erased(backend: Backend, scope: TenantScope) -> None:
    """The tenant has nothing any more."""
    store = backend.instances[1].dialogue
    assert store is not None
    await store.maintenance().erase_tenant(scope.tenant)


@contract
async def test_a_conversation_that_was_put_back_goes_on(
    backend: Backend, scope: TenantScope
) -> None:
    """The next message has the next number; contexts stand at their revisions."""
    before = await fill(backend, scope, Group.DIALOGUE)
    await erased(backend, scope)
    await put_back(archive_of(backend, Group.DIALOGUE), scope.tenant, before)
    for conversation in before[CONVERSATIONS]:
        found = await scope.conversations.require(conversation.id)
        assert exact(found) == exact(conversation)
        if not found.status.is_closed:
            (added,) = await scope.messages.append(found.id, [Message.draft("more")])
            assert added.sequence == found.last_sequence + 1
    for context in before[CONTEXTS]:
        assert (await scope.contexts.update(context)).revision == context.revision + 1


@contract
async def test_what_comes_after_a_gap_is_refused(backend: Backend, scope: TenantScope) -> None:
    """A message whose predecessor isn't there, beyond the head, or of no conversation: each is
    told; those of other conversations go in."""
    one, other = await scope.conversations.create_many(
        [Conversation.draft(id="one", user_id="ada"), Conversation.draft(id="two", user_id="ada")]
    )
    for conversation in (one, other):
        drafts = [Message.draft(str(number)) for number in range(4)]
        await scope.messages.append(conversation.id, drafts)
    archive = archive_of(backend, Group.DIALOGUE)
    before = await contents(archive, scope.tenant)
    await erased(backend, scope)
    await archive.restore(scope.tenant, CONVERSATIONS, before[CONVERSATIONS])
    messages = before[MESSAGES]
    beyond = attrs.evolve(messages[-1], sequence=5, id="beyond")
    nobodys = attrs.evolve(messages[0], conversation_id="three", id="nobody's")
    given = [messages[0], *messages[2:], beyond, nobodys]
    done = await archive.restore(scope.tenant, MESSAGES, given)
    assert (done.added, list(done.refused)) == (5, [1, 2, 7, 8])
    again = await archive.restore(scope.tenant, MESSAGES, messages)
    assert (again.added, again.unchanged, dict(again.refused)) == (3, 5, {})
    assert exact(await contents(archive, scope.tenant)) == exact(before)


@contract
async def test_messages_are_read_up_to_where_their_conversation_stood(
    backend: Backend, scope: TenantScope
) -> None:
    """Whoever appends while it is read adds nothing that its conversation doesn't know of."""
    for name in ("a", "b"):
        await scope.conversations.create(Conversation.draft(id=name, user_id="ada"))
        await scope.messages.append(name, [Message.draft("one"), Message.draft("two")])
    other = backend.scope(scope.tenant, 1)
    heads: dict[str, int] = {}
    found: dict[str, list[int]] = {}
    async for kind, records in archive_of(backend, Group.DIALOGUE).read(scope.tenant):
        if kind is CONVERSATIONS:
            heads |= {one.id: one.last_sequence for one in records}
            for one in records:
                await other.messages.append(one.id, [Message.draft("meanwhile")])
        for message in records if kind is MESSAGES else ():
            assert message.conversation_id in heads
            found.setdefault(message.conversation_id, []).append(message.sequence)
    assert found == {name: list(range(1, head + 1)) for name, head in heads.items()}
