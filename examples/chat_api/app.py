"""The service, put together."""

from fastapi import FastAPI, Request, Response

from bootstrap.fastapi import ProblemError, health, install, lifespan
from bootstrap.fastapi.lifespan import Opening
from bootstrap.settings import Settings
from examples.chat_api.flows import Flows, NoFlowError
from examples.chat_api.routes import conversations, messages, sessions


def create_app(settings: Settings | Opening | None = None) -> FastAPI:
    """The service on the platform of these settings, or of the environment's."""
    app = FastAPI(title="Chat", version="1.0", lifespan=lifespan(settings))
    app.state.flows = Flows()
    install(app)
    app.add_exception_handler(NoFlowError, _no_flow)
    app.include_router(health())
    for part in (sessions, conversations, messages):
        app.include_router(part.router)
    return app


async def _no_flow(_: Request, __: Exception) -> Response:
    told = "this tenant has no active flow: publish one first"
    return ProblemError(409, "no-flow", detail=told).response()
