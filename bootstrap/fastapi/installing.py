"""What a service has once for all of its handlers."""

from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from bootstrap.fastapi.limits import LimitFields
from bootstrap.fastapi.problems import Detail, Problem, ProblemError, problem_of, problems
from domain.errors import ValidationError, joined, key_step
from ports.errors import RepositoryError

ANYWHERE = (400, 422, 500, 503)
"""What any operation that has parameters may answer."""


def install(app: FastAPI) -> None:
    """Answer every error as a problem (RFC 9457), tell of limits in the headers of whatever is
    answered, and document both.

    Errors of ports and domain are answered as `problems.ANSWERS` says. What FastAPI itself finds
    wrong with a request is 422, but for a header or cookie that is missing: 400. An error that
    nobody expected is 500; it tells the client nothing, and goes on to the server's log.
    """
    handled: dict[type[Exception], Callable[[Request, Any], Awaitable[Response]]] = {
        ProblemError: _told,
        RepositoryError: _of_a_port,
        ValidationError: _of_a_port,
        RequestValidationError: _of_the_request,
        HTTPException: _of_http,
        Exception: _unexpected,
    }
    for kind, handler in handled.items():
        app.add_exception_handler(kind, handler)
    app.add_middleware(LimitFields)
    app.openapi = lambda: _documented(app)  # type: ignore[method-assign]  # as FastAPI's docs do


async def _told(_: Request, error: ProblemError) -> Response:
    return error.response()


async def _of_a_port(_: Request, error: Exception) -> Response:
    return problem_of(error).response()


async def _of_the_request(_: Request, error: RequestValidationError) -> Response:
    # Never its `input`, which is what the client wrote, or its `ctx`, which may hold it.
    found = error.errors()
    missing = any(
        one["type"] == "missing" and one["loc"][0] in ("header", "cookie") for one in found
    )
    details = [Detail(path=_path(one["loc"]), message=one["msg"]) for one in found]
    status, type = (400, "header") if missing else (422, "validation")
    return ProblemError(status, type, errors=details).response()


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for step in location:
        path = joined(path, f"[{step}]" if isinstance(step, int) else key_step(step))
    return path


async def _of_http(request: Request, error: HTTPException) -> Response:
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and "Allow" in headers:
        headers["Allow"] = ", ".join(sorted({headers["Allow"], *_methods(request)}))
    # Without its detail, which may be the client's own text.
    return ProblemError(error.status_code, None, headers=headers).response()


def _methods(request: Request) -> Iterator[str]:
    """All that is documented of the path (RFC 9110, section 10.2.1): Starlette tells what one of
    its routes takes."""
    for template, operations in request.app.openapi()["paths"].items():
        if compile_path(template)[0].match(request.url.path):
            yield from (method.upper() for method in operations)


async def _unexpected(_: Request, __: Exception) -> Response:
    return ProblemError(500, "internal").response()


def _documented(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document, in which what goes wrong is a problem."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
        )
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= problem.pop("$defs", {})
        schemas["Problem"] = problem
        for path in made.get("paths", {}).values():
            for operation in path.values():
                if operation.get("parameters") or "requestBody" in operation:
                    told = {str(code): it for code, it in problems(*ANYWHERE).items()}
                    operation["responses"] |= told
        app.openapi_schema = made
    return app.openapi_schema
