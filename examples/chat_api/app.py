"""The service, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response

from bootstrap.fastapi import ProblemError, health, install, lifespan
from bootstrap.fastapi.lifespan import Opening
from bootstrap.settings import Settings
from examples.chat_api.erasing import Erasing
from examples.chat_api.flows import Flows, NoFlowError
from examples.chat_api.routes import conversations, messages, sessions, users


def create_app(settings: Settings | Opening | None = None) -> FastAPI:
    """The service on the platform of these settings, or of the environment's."""
    platform = lifespan(settings)

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        async with platform(app):
            app.state.flows = Flows()
            app.state.erasing = Erasing(app.state.platform)
            try:
                yield
            finally:
                await app.state.erasing.stop()

    app = FastAPI(title="Chat", version="1.0", lifespan=running)
    install(app)
    app.add_exception_handler(NoFlowError, _no_flow)
    app.include_router(health())
    for part in (sessions, users, conversations, messages):
        app.include_router(part.router)
    return app


async def _no_flow(_: Request, __: Exception) -> Response:
    told = "this tenant has no active flow: publish one first"
    return ProblemError(409, "no-flow", detail=told).response()
