"""Dialogbase in a FastAPI service: the platform opened and closed with it, a tenant's scope in
each handler, every error answered in one way, limits, sessions by cookie, health.

    app = FastAPI(lifespan=lifespan(settings))
    install(app)

    @app.get("/flows/{id}")
    async def flow(id: UUID, scope: Scope) -> FlowShape: ...

Needs `pip install 'dialogbase[fastapi]'`, and nothing else of Dialogbase imports it. A service that
wants one of these otherwise leaves it out, or takes the function below it: each stands alone.
`examples/chat_api` is a whole service made of them.
"""

from bootstrap.fastapi.dependencies import (
    CurrentPlatform,
    IdempotencyKey,
    RequiredIdempotencyKey,
    Scope,
    scope,
    scope_of,
    tenant_by_header,
)
from bootstrap.fastapi.health import health
from bootstrap.fastapi.installing import install
from bootstrap.fastapi.lifespan import lifespan
from bootstrap.fastapi.limits import RateLimitedError, limit_key, rate_limited
from bootstrap.fastapi.pages import Cursor, Limit, Page
from bootstrap.fastapi.problems import Problem, ProblemError, problems
from bootstrap.fastapi.sessions import SessionCookie, UnauthenticatedError, session_cookie
from bootstrap.fastapi.streams import json_lines

__all__ = [
    "CurrentPlatform",
    "Cursor",
    "IdempotencyKey",
    "Limit",
    "Page",
    "Problem",
    "ProblemError",
    "RateLimitedError",
    "RequiredIdempotencyKey",
    "Scope",
    "SessionCookie",
    "UnauthenticatedError",
    "health",
    "install",
    "json_lines",
    "lifespan",
    "limit_key",
    "problems",
    "rate_limited",
    "scope",
    "scope_of",
    "session_cookie",
    "tenant_by_header",
]
