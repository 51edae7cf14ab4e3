"""What handlers ask for: the platform, the tenant's scope, an idempotency key.

All of it is coroutines, though nothing is waited for: FastAPI runs functions in threads, which is
more work than all that they do.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeAlias

from fastapi import Depends, Header, Request

from bootstrap.fastapi.problems import ProblemError
from bootstrap.platform import Platform
from ports.stores import TenantScope

TENANT_HEADER = "X-Tenant-Id"


async def platform(request: Request) -> Platform:
    """The platform that `lifespan` opened."""
    opened: Platform = request.app.state.platform
    return opened


CurrentPlatform: TypeAlias = Annotated[Platform, Depends(platform)]


async def tenant_by_header(
    request: Request,
    tenant: Annotated[str, Header(alias=TENANT_HEADER, description="Whose data it is about.")],
) -> str:
    """The tenant that the header `X-Tenant-Id` names: for services behind a gateway which sets it,
    and drops what clients sent. Sent twice, it is refused: whom the gateway meant isn't known.
    """
    if len(request.headers.getlist(TENANT_HEADER)) != 1:
        raise ProblemError(400, "header", detail=f"{TENANT_HEADER} must be there once")
    return tenant


def scope_of(
    tenant: Callable[..., Any], *, actor: Callable[..., Any] | None = None
) -> Callable[..., Awaitable[TenantScope]]:
    """A dependency that gives the scope of a tenant, by a dependency that says which one.

        async def tenant_by_token(claims: Annotated[Claims, Depends(verified)]) -> str:
            return claims.tenant

        Scope = Annotated[TenantScope, Depends(scope_of(tenant_by_token))]

    What `actor` gives is who the audit trail puts changes down to. A text that can't be a tenant's
    name is answered with 422. Keep the dependency that is returned: asked for several times in one
    request, it is computed once.
    """

    # As few dependencies as can be: FastAPI looks at all of them for each that needs them.
    async def scoped(request: Request, tenant: Annotated[str, Depends(tenant)]) -> TenantScope:
        opened: Platform = request.app.state.platform
        return opened.for_tenant(tenant)

    if actor is None:
        return scoped

    async def scoped_by(
        request: Request,
        tenant: Annotated[str, Depends(tenant)],
        actor: Annotated[str | None, Depends(actor)],
    ) -> TenantScope:
        opened: Platform = request.app.state.platform
        return opened.for_tenant(tenant, actor=actor)

    return scoped_by


scope = scope_of(tenant_by_header)
"""The scope of the tenant that `X-Tenant-Id` names."""

Scope: TypeAlias = Annotated[TenantScope, Depends(scope)]

_KEY = Header(
    alias="Idempotency-Key",
    min_length=1,
    max_length=257,
    description="A text of the client's own for this request: sent again with it, it is done once.",
)


async def _optional_key(key: Annotated[str | None, _KEY] = None) -> str | None:
    return None if key is None else _unquoted(key)


async def _required_key(key: Annotated[str, _KEY]) -> str:
    return _unquoted(key)


def _unquoted(key: str) -> str:
    """The key in a String of RFC 9651, which the header is by its draft; or what was sent bare, as
    many clients do."""
    quoted = len(key) > 2 and key[0] == key[-1] == '"'
    return key[1:-1] if quoted else key


IdempotencyKey: TypeAlias = Annotated[str | None, Depends(_optional_key)]
"""The header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07), or None."""

RequiredIdempotencyKey: TypeAlias = Annotated[str, Depends(_required_key)]
"""The same; a request without it is answered with 400, as its draft says."""
