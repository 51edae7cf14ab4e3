"""Small services on the memory profile, and their clients: no server, no network."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from bootstrap import Settings
from bootstrap.fastapi import install, lifespan
from bootstrap.fastapi.lifespan import Opening

TENANT = {"X-Tenant-Id": "acme"}


@asynccontextmanager
async def client_of(
    app: FastAPI, headers: dict[str, str] | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that runs for the block. What a handler raises unexpectedly is
    answered, as a server would."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=transport,
            base_url="https://test",
            headers=TENANT if headers is None else headers,
        ) as client,
    ):
        yield client


def service(
    routes: Callable[[FastAPI], None], settings: Settings | Opening | None = None
) -> FastAPI:
    """A service with these routes."""
    chosen = Settings.memory() if settings is None else settings
    app = FastAPI(lifespan=lifespan(chosen, background=False))
    install(app)
    routes(app)
    return app
