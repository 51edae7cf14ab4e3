"""Writing, and reading what was said."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from bootstrap.fastapi import Limit, RequiredIdempotencyKey, Scope, json_lines, problems
from examples.chat_api.asking import READ, WRITE, ConversationId, CurrentSession, CurrentTurns
from examples.chat_api.shapes import HistoryShape, MessageShape, TurnShape, Write
from ports.errors import EntityNotFoundError

router = APIRouter(prefix="/conversations/{conversation_id}/messages", tags=["messages"])

Sequence = Annotated[int | None, Query(ge=0, le=2**53)]


@router.post("", status_code=201, dependencies=[WRITE], responses=problems(401, 404, 409, 429))
async def write(
    conversation_id: ConversationId,
    body: Write,
    turns: CurrentTurns,
    key: RequiredIdempotencyKey,
) -> TurnShape:
    """Say something, and hear the answers. Sent again with its key, it is said once and answered
    alike; another text with the same key is refused."""
    turn = await turns.take(conversation_id, body.text, key)
    return TurnShape.model_construct(
        message=MessageShape.of(turn.inbound),
        replies=[MessageShape.of(reply) for reply in turn.replies],
    )


async def own(conversation_id: ConversationId, scope: Scope, session: CurrentSession) -> str:
    """The id of a conversation of the user's: others' don't exist."""
    found = await scope.conversations.require(conversation_id)
    if found.user_id != session.user_id:
        raise EntityNotFoundError("conversation", conversation_id)
    return conversation_id


OwnId = Annotated[str, Depends(own)]


@router.get("", dependencies=[READ], responses=problems(401, 404, 429))
async def history(
    conversation_id: OwnId,
    scope: Scope,
    after: Sequence = None,
    before: Sequence = None,
    limit: Limit = 50,
) -> HistoryShape:
    """A page of what was said: the first messages after one, or the last before one."""
    page = await scope.messages.history(conversation_id, after=after, before=before, limit=limit)
    first, last = (page.items[0], page.items[-1]) if page.items else (None, None)
    backwards = after is None and before is not None
    earlier = page.has_more if backwards else bool(after)
    later = True if backwards else page.has_more
    return HistoryShape(
        items=[MessageShape.of(message) for message in page.items],
        previous=first.sequence if first and earlier else None,
        next=last.sequence if last and later else None,
    )


@router.get(
    "/stream",
    dependencies=[READ],
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "A line for each message",
            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
        },
        **problems(401, 404, 429),
    },
)
async def stream(
    conversation_id: OwnId, scope: Scope, after: Annotated[int, Query(ge=0, le=2**53)] = 0
) -> StreamingResponse:
    """All that was said, however much it is: a message a line, as they come."""
    messages = scope.messages.stream_history(conversation_id, after=after)
    return await json_lines(
        messages, lambda message: MessageShape.of(message).model_dump_json().encode()
    )
