"""Whether the process lives, and whether it can serve."""

from typing import Literal

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel

from bootstrap.fastapi.dependencies import CurrentPlatform
from bootstrap.fastapi.problems import RETRY_SECONDS, Detail, ProblemError, problems
from bootstrap.health import READY_WITHIN


class Health(BaseModel):
    """How the service is."""

    status: Literal["alive", "ready"]


def health(*, within: float = READY_WITHIN) -> APIRouter:
    """`/healthz`: the process lives, no I/O: a liveness probe restarts who doesn't answer.
    `/readyz`: every store can be used now, as `Platform.ready` finds out in so many seconds, or
    else 503, which names those that can't: a readiness probe sends no requests there meanwhile.

    Neither needs a tenant. What else may be wrong, `dialogbase doctor` tells.
    """
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def alive() -> Health:
        return Health(status="alive")

    @router.get("/readyz", responses=problems(503))
    async def ready(platform: CurrentPlatform, response: Response) -> Health:
        found = await platform.ready(within=within)
        if not found.ready:
            raise ProblemError(
                503,
                "not-ready",
                errors=[
                    Detail(path=check.store, message=check.found)
                    for check in found.checks
                    if not check.well
                ],
                headers={"Retry-After": str(RETRY_SECONDS)},
            )
        response.headers["Cache-Control"] = "no-store"
        return Health(status="ready")

    return router
