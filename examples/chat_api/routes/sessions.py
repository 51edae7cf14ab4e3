"""Logging in and out."""

from fastapi import APIRouter, Depends, Response

from bootstrap.fastapi import Scope, UnauthenticatedError, problems
from examples.chat_api.asking import LOG_IN, SESSIONS, Token
from examples.chat_api.shapes import LogIn, SessionShape

router = APIRouter(prefix="/sessions", tags=["sessions"])


@router.post("", status_code=201, dependencies=[LOG_IN], responses=problems(429))
async def log_in(body: LogIn, scope: Scope, presented: Token, response: Response) -> SessionShape:
    """Begin a session; its token comes as a cookie. One that was there before ends."""
    session = await SESSIONS.log_in(response, scope, body.user_id, presented=presented)
    return SessionShape.of(session)


@router.delete(
    "", status_code=204, dependencies=[Depends(SESSIONS.required)], responses=problems(401)
)
async def log_out(scope: Scope, token: Token, response: Response) -> None:
    """End the session."""
    if token is None or not await SESSIONS.log_out(response, scope, token):
        raise UnauthenticatedError
