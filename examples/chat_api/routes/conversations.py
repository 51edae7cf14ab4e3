"""Beginning conversations, and which there are."""

from fastapi import APIRouter

from bootstrap.fastapi import Cursor, IdempotencyKey, Limit, Page, Scope, problems
from examples.chat_api.asking import READ, WRITE, CurrentFlows, CurrentSession
from examples.chat_api.beginning import Beginnings
from examples.chat_api.shapes import BegunShape, ConversationShape, MessageShape, Start

router = APIRouter(prefix="/conversations", tags=["conversations"])


@router.post("", status_code=201, dependencies=[WRITE], responses=problems(401, 409, 429))
async def start(
    body: Start,
    scope: Scope,
    flows: CurrentFlows,
    session: CurrentSession,
    key: IdempotencyKey,
) -> BegunShape:
    """Begin a conversation, with the tenant's default flow, or as its experiment has it."""
    begun = await Beginnings(scope, flows, session).start(body.channel, key)
    conversation = begun.conversation
    return BegunShape(
        id=conversation.id,
        channel=conversation.channel,
        flow_id=conversation.flow_id,
        flow_version=conversation.flow_version,
        variant=conversation.variant,
        started_at=conversation.started_at,
        messages=[MessageShape.of(message) for message in begun.said],
    )


@router.get("", dependencies=[READ], responses=problems(401, 429))
async def own(
    scope: Scope, session: CurrentSession, cursor: Cursor = None, limit: Limit = 20
) -> Page[ConversationShape]:
    """The user's conversations, those started last first."""
    mine = scope.conversations.where("user_id").eq(session.user_id)
    found = await scope.conversations.scan(mine, "-started_at", cursor, limit)
    return Page(items=[ConversationShape.of(one) for one in found.items], next=found.next)
