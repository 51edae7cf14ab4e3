"""Who is asking, how often they may, and what handlers get of it. All of it is coroutines: FastAPI
runs plain functions in threads.
"""

from datetime import timedelta
from typing import Annotated, TypeAlias

from fastapi import Depends, Path, Request

from bootstrap.fastapi import Scope, rate_limited, session_cookie
from domain.rates import gcra
from domain.sessions import Session
from examples.chat_api.flows import Flows
from examples.chat_api.turns import Turns

SESSIONS = session_cookie()

Token: TypeAlias = Annotated[str | None, Depends(SESSIONS.token)]
CurrentSession: TypeAlias = Annotated[Session, Depends(SESSIONS.required)]
ConversationId: TypeAlias = Annotated[str, Path(min_length=1, max_length=128)]


async def flows(request: Request) -> Flows:
    """The process's."""
    kept: Flows = request.app.state.flows
    return kept


CurrentFlows: TypeAlias = Annotated[Flows, Depends(flows)]


async def turns(request: Request, scope: Scope, session: CurrentSession) -> Turns:
    """The user's."""
    return Turns(scope, request.app.state.flows, session.user_id)


CurrentTurns: TypeAlias = Annotated[Turns, Depends(turns)]


async def user(session: CurrentSession) -> str:
    """Whose limits they are: not a session's, of which one may begin many."""
    return session.user_id


async def tenant(scope: Scope) -> str:
    """Where nobody has logged in yet."""
    return scope.tenant


SECOND = timedelta(seconds=1)
LOG_INS = gcra(50, SECOND, burst=100)
"""A tenant's. Behind a proxy that you trust, go by the client's address as well."""

WRITES = gcra(5, SECOND, burst=20)
READS = gcra(20, SECOND, burst=100)
"""A user's, each."""

LOG_IN = rate_limited("log-in", LOG_INS, key=tenant)
WRITE = rate_limited("write", WRITES, key=user)
READ = rate_limited("read", READS, key=user)
