"""Users' own data."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from bootstrap.fastapi import Scope, problems
from examples.chat_api.asking import SESSIONS, WRITE, CurrentSession
from examples.chat_api.erasing import Erasing

router = APIRouter(prefix="/users", tags=["users"])


async def erasing(request: Request) -> Erasing:
    """The process's."""
    kept: Erasing = request.app.state.erasing
    return kept


@router.delete("/me", status_code=202, dependencies=[WRITE], responses=problems(401, 429))
async def forget(
    session: CurrentSession,
    scope: Scope,
    erasing: Annotated[Erasing, Depends(erasing)],
    response: Response,
) -> None:
    """Forget the user: their conversations, messages, sessions and events, in every store. Nothing
    can be written of them afterwards; who tries is answered with 410."""
    await erasing.begin(scope.tenant, session.user_id)
    SESSIONS.forget(response)
