"""Rate limits of handlers, and how their clients are told of them."""

from collections.abc import Callable
from hashlib import blake2b
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from bootstrap.fastapi.dependencies import scope as by_header
from bootstrap.fastapi.problems import ProblemError
from domain.decisions import RateLimitDecision, rate_limit_headers
from domain.rates import RateRule
from ports.stores import TenantScope

_STATE = "rate_limits"


class RateLimitedError(ProblemError):
    """It happens too often: 429, and when it may happen again."""

    def __init__(self, decision: RateLimitDecision) -> None:
        self.decision = decision
        super().__init__(429, "rate-limit")


def rate_limited(
    name: str,
    rule: RateRule,
    *,
    key: Callable[..., Any],
    scope: Callable[..., Any] = by_header,
) -> Any:
    """A dependency that admits a request if the rule does, by what the dependency `key` gives: the
    user's name, say, so that each has a limit of its own. One round trip.

        @app.post("/messages", dependencies=[rate_limited("messages", rule, key=user)])

    The limit is of the tenant's, `name` and key, in whatever processes: the same name in several
    places is one limit (`limit_key` is what it is counted under). The response, whatever it is,
    says how things stand, and a refusal when to try again (`domain.decisions.rate_limit_headers`;
    `install` brings what writes them).
    """

    async def limited(
        request: Request,
        scope: Annotated[TenantScope, Depends(scope)],
        key: Annotated[str, Depends(key)],
    ) -> None:
        decision = await scope.rate_limits.acquire(limit_key(name, key), rule)
        request.scope.setdefault("state", {}).setdefault(_STATE, {})[name] = decision
        if not decision:
            raise RateLimitedError(decision)

    return Depends(limited)


def limit_key(name: str, key: str) -> str:
    """Under what `rate_limited` counts. Of the key it holds a digest (BLAKE2b, RFC 7693, 128 bits):
    what of a user who is erased is left until it expires so names nobody, unless their id is
    guessed.
    """
    digest = blake2b(key.encode(errors="surrogatepass"), digest_size=16)
    return f"{name}:{digest.hexdigest()}"


class LimitFields:
    """Middleware that writes the fields of the limits that were asked, on any response: streams
    and errors as well, which no handler's own headers reach."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                decisions = state.get(_STATE)
                if decisions:
                    MutableHeaders(scope=message).update(rate_limit_headers(decisions))
            await send(message)

        await self._app(scope, receive, telling)
