"""How a conversation begins: with a flow, and what that says first."""

import asyncio
from itertools import takewhile
from uuid import uuid5

import attrs

from domain.conversations import Channel, Conversation, ConversationStatus
from domain.identity import Draft
from domain.messages import Direction, Message
from domain.sessions import Session
from examples.chat_api import events
from examples.chat_api.engine import Step, begin
from examples.chat_api.flows import Flows
from examples.chat_api.places import Place, copied, said
from examples.chat_api.turns import ATTEMPTS, MOST_REPLIES, OURS
from ports.errors import DuplicateEntityError, IdempotencyKeyReusedError, TransactionError
from ports.reading import back_off
from ports.stores import TenantScope


@attrs.frozen
class Beginning:
    """A conversation, and what the bot said first in it."""

    conversation: Conversation
    said: tuple[Message, ...]


@attrs.frozen
class Beginnings:
    """How a session's user begins conversations."""

    _scope: TenantScope
    _flows: Flows
    _session: Session

    async def start(self, channel: Channel, key: str | None) -> Beginning:
        """Begin a conversation, with the bot's first words, or neither. With a key, the same
        request again gives the same conversation.

        Raises:
            NoFlowError: if the tenant has no active flow.
            IdempotencyKeyReusedError: if the key came with another channel before.
        """
        user = self._session.user_id
        id = None if key is None else str(uuid5(OURS, f"{user}\0{key}"))
        chosen = await self._flows.choose(self._scope, user)
        step = begin(chosen.definition)
        draft = Conversation.draft(
            id=id,
            user_id=user,
            session_id=self._session.id,
            channel=channel,
            flow_id=chosen.flow.id,
            flow_version=chosen.version,
            current_state=step.state,
            experiment_id=chosen.experiment_id,
            variant=chosen.variant,
        )
        begun = await self._stored(draft, step)
        if begun is None:
            if id is None:
                raise DuplicateEntityError("conversation", ("id",))
            return await self._again(id, channel)
        conversation, messages = begun.conversation, begun.said
        place = Place(
            flow_id=chosen.flow.id,
            version=chosen.version,
            state=step.state,
            slots=step.slots,
            turn=0,
            sequence=messages[-1].sequence,
            ended=step.ended,
        )
        await asyncio.gather(
            self._scope.executions.save(copied(place, conversation.id, user, None)),
            self._scope.flows.increment_usage(chosen.flow.id),
            self._scope.analytics.record(events.of_beginning(conversation)),
        )
        return begun

    async def _stored(self, draft: Draft[Conversation], step: Step) -> Beginning | None:
        """Both in one unit; None if the conversation is there already."""
        attempt = 0
        while True:
            try:
                async with self._scope.dialogue() as work:
                    conversation = await work.conversations.create(draft)
                    messages = await work.messages.append(conversation.id, said(step, 0))
                    if step.ended:
                        await work.conversations.transition(
                            conversation.id, ConversationStatus.COMPLETED, reason=step.state
                        )
            except DuplicateEntityError:
                return None
            except TransactionError:  # the same request, at the same time
                attempt += 1
                if attempt == ATTEMPTS:
                    raise
                await back_off(attempt)
            else:
                return Beginning(conversation, messages)

    async def _again(self, id: str, channel: Channel) -> Beginning:
        conversation = await self._scope.conversations.require(id)
        if conversation.channel is not channel:
            raise IdempotencyKeyReusedError("conversation", id)
        # Who began it may have been killed before it was counted.
        await self._scope.analytics.record(events.of_beginning(conversation))
        page = await self._scope.messages.history(id, limit=MOST_REPLIES)
        first = takewhile(lambda one: one.direction is Direction.OUTBOUND, page.items)
        return Beginning(conversation, tuple(first))
