"""Sessions by cookie: logging in and out, and who is asking."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

import attrs
from fastapi import Depends, Request, Response, Security
from fastapi.security import APIKeyCookie

from bootstrap.fastapi.dependencies import scope as by_header
from bootstrap.fastapi.problems import ProblemError
from domain.sessions import IDLE_TIMEOUT, LIFETIME, Session
from ports.stores import TenantScope

COOKIE: Final = "__Host-session"
"""The prefix lets browsers take it only from this very host, over TLS, for all of its paths
(draft-ietf-httpbis-rfc6265bis, section 4.1.3.2)."""


class UnauthenticatedError(ProblemError):
    """There is no session: log in."""

    def __init__(self) -> None:
        fields = {"WWW-Authenticate": 'Cookie realm="session"'}
        super().__init__(401, "unauthenticated", detail="log in first", headers=fields)


@attrs.frozen
class SessionCookie:
    """Whose sessions a cookie carries, and how. The token is in the cookie alone: scripts can't
    read it, and it is sent over TLS and, as `same_site` says, not from other sites.
    """

    name: str
    secure: bool
    same_site: Literal["lax", "strict", "none"]
    token: Callable[..., Any]
    """A dependency: the token that was presented, or None."""

    current: Callable[..., Awaitable[Session | None]]
    """A dependency: the session, which counts as used by it, or None. One round trip."""

    required: Callable[..., Awaitable[Session]]
    """A dependency: the session; without one, the answer is 401, and the OpenAPI document says so.
    """

    async def log_in(
        self,
        response: Response,
        scope: TenantScope,
        user_id: str,
        *,
        presented: str | None,
        idle_timeout: timedelta = IDLE_TIMEOUT,
        lifetime: timedelta = LIFETIME,
        **fields: Any,
    ) -> Session:
        """Begin a session of a user who proved to be that, and let the response carry its token.

        It is always a new one, and the one that was presented ends: a token which somebody else
        slipped to the user before is worth nothing after (session fixation). Other arguments and
        errors as `SessionStore.create`.
        """
        issued = await scope.sessions.create(
            user_id, idle_timeout=idle_timeout, lifetime=lifetime, **fields
        )
        if presented is not None:
            await scope.sessions.delete(presented)
        self._set(response, issued.token, lifetime)
        return issued.session

    async def rotate(self, response: Response, scope: TenantScope, token: str) -> Session:
        """Give the session another token: when what its user may do changes.

        Raises:
            EntityNotFoundError: if there is none.
        """
        issued = await scope.sessions.rotate(token)
        session = issued.session
        self._set(response, issued.token, session.expires_at - session.last_activity_at)
        return session

    async def log_out(self, response: Response, scope: TenantScope, token: str) -> bool:
        """End the session; whether there was one. The response drops the cookie."""
        ended = await scope.sessions.delete(token)
        self.forget(response)
        return ended

    def forget(self, response: Response) -> None:
        """Let the response drop the cookie."""
        response.delete_cookie(
            self.name, path="/", secure=self.secure, httponly=True, samesite=self.same_site
        )

    def _set(self, response: Response, token: str, lifetime: timedelta) -> None:
        response.set_cookie(
            self.name,
            token,
            max_age=lifetime // timedelta(seconds=1),
            path="/",
            secure=self.secure,
            httponly=True,
            samesite=self.same_site,
        )


def session_cookie(
    name: str = COOKIE,
    *,
    secure: bool = True,
    same_site: Literal["lax", "strict", "none"] = "lax",
    scope: Callable[..., Any] = by_header,
) -> SessionCookie:
    """Sessions of the tenant that `scope` gives, by a cookie. `secure=False`, which needs another
    name too, is for trying things out without TLS.
    """
    documented = APIKeyCookie(name=name, scheme_name="session", auto_error=False)

    async def token(request: Request) -> str | None:
        return request.cookies.get(name)

    async def current(
        request: Request, scope: Annotated[TenantScope, Depends(scope)]
    ) -> Session | None:
        presented = request.cookies.get(name)
        return None if presented is None else await scope.sessions.get(presented)

    async def required(
        request: Request,
        scope: Annotated[TenantScope, Depends(scope)],
        _: Annotated[str | None, Security(documented)],
    ) -> Session:
        session = await current(request, scope)
        if session is None:
            raise UnauthenticatedError
        return session

    return SessionCookie(name, secure, same_site, token, current, required)
