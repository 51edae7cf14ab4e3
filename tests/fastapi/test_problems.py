"""Errors as problems: all of the ports' and the domain's, and nothing that isn't for clients."""

import inspect
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Header
from pydantic import BaseModel

from bootstrap.fastapi import ProblemError, problems
from bootstrap.fastapi.problems import ANSWERS, TYPES, problem_of
from domain.conversations import ConversationClosedError
from domain.errors import Fault, TransitionNotAllowedError, ValidationError
from ports import errors
from tests.bootstrap.running import run
from tests.fastapi.services import client_of, service

SECRET = "postgres://user:hunter2@db/4711"
RAISED: tuple[tuple[Exception, int, str], ...] = (
    (errors.EntityNotFoundError("flow", "f1"), 404, "not-found"),
    (errors.ErasedError("acme", "4711"), 410, "erased"),
    (errors.DuplicateEntityError("flow", ("name",)), 409, "duplicate"),
    (errors.ConflictError("flow", "f1", 1, 2), 409, "conflict"),
    (errors.SequenceConflictError("conversation", "c1", 1, 2), 409, "sequence"),
    (errors.IdempotencyKeyReusedError("conversation", "c1"), 422, "idempotency-key-reused"),
    (errors.InvalidQueryError("no such field"), 422, "query"),
    (errors.TenantMismatchError("flow", SECRET), 500, "internal"),
    (errors.UnsupportedOperationError("not here"), 501, "unsupported"),
    (errors.TransactionError("lost"), 503, "transaction"),
    (errors.StoreUnavailableError(SECRET), 503, "unavailable"),
    (errors.StoreTimeoutError(SECRET), 503, "timeout"),
    (errors.OutcomeUnknownError(SECRET), 503, "outcome-unknown"),
    (errors.CorruptRecordError("flow", SECRET), 500, "internal"),
    (errors.EncryptionKeyError(SECRET), 500, "internal"),
    (errors.LockLostError("gone"), 409, "lock-lost"),
    (errors.LockNotAcquiredError("held"), 503, "busy"),
    (ConversationClosedError("completed"), 409, "closed"),
    (TransitionNotAllowedError("Flow", "draft", "archived"), 409, "transition"),
    (ValidationError("Flow", [Fault("name", "is too long")]), 422, "validation"),
)


class _Body(BaseModel):
    text: str


def _routes(app: FastAPI) -> None:
    @app.get("/raise/{number}", responses=problems(404))
    async def raising(number: int) -> None:
        raise RAISED[number][0]

    @app.get("/unexpected")
    async def unexpected() -> None:
        raise ZeroDivisionError(SECRET)

    @app.get("/own")
    async def own() -> None:
        raise ProblemError(409, "mine", detail="so it is", headers={"X-Why": "because"})

    @app.delete("/own")
    async def drop() -> None: ...

    @app.post("/body")
    async def body(body: _Body, x_needed: Annotated[str, Header()]) -> str:
        return body.text + x_needed


@pytest.mark.parametrize(
    ("number", "kind"), [(n, type(e).__name__) for n, (e, _, _) in enumerate(RAISED)]
)
@run
async def test_an_error_is_answered_with_its_status_and_type(number: int, kind: str) -> None:
    """As a problem with that status, which tells nothing that is for the service alone."""
    error, status, type_ = RAISED[number]
    async with client_of(service(_routes)) as client:
        answer = await client.get(f"/raise/{number}")
    told = answer.json()
    assert (answer.status_code, told["status"]) == (status, status)
    assert told["type"] == TYPES + type_
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert SECRET not in answer.text
    retryable = isinstance(error, errors.RepositoryError) and error.retryable
    assert ("retry-after" in answer.headers) is retryable


def test_every_error_of_the_ports_has_an_answer_of_its_own_and_is_tried() -> None:
    """One that is added to the ports must be thought of here."""
    ports = {
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.RepositoryError)
    }
    assert ports <= set(ANSWERS)
    assert ports - {errors.RepositoryError} <= {type(error) for error, _, _ in RAISED}


def test_an_adapter_s_own_kind_of_error_is_answered_as_the_one_it_is_a_kind_of() -> None:
    """By the nearest class."""

    class _Other(errors.SequenceConflictError):
        pass

    class _Unknown(errors.RepositoryError):
        pass

    assert problem_of(_Other("log", "l", 1, 2)).problem.type == TYPES + "sequence"
    assert problem_of(_Unknown(SECRET)).problem.status == 500


@run
async def test_faults_are_listed_where_they_are() -> None:
    """All of them, with their paths."""
    number = next(n for n, (error, _, _) in enumerate(RAISED) if type(error) is ValidationError)
    async with client_of(service(_routes)) as client:
        told = (await client.get(f"/raise/{number}")).json()
    assert told["errors"] == [{"path": "name", "message": "is too long"}]


@run
async def test_what_nobody_expected_is_500_and_tells_nothing() -> None:
    """But that it went wrong."""
    async with client_of(service(_routes)) as client:
        answer = await client.get("/unexpected")
    assert answer.status_code == 500
    assert answer.json() == {
        "type": TYPES + "internal",
        "title": "Internal Server Error",
        "status": 500,
    }


@run
async def test_a_problem_of_the_service_s_own_is_answered_with_its_headers() -> None:
    """And its text."""
    async with client_of(service(_routes)) as client:
        answer = await client.get("/own")
    assert (answer.status_code, answer.headers["x-why"]) == (409, "because")
    assert answer.json()["detail"] == "so it is"


@run
async def test_a_missing_header_is_400_and_other_faults_of_a_request_are_422() -> None:
    """Neither repeats what was sent."""
    async with client_of(service(_routes)) as client:
        missing = await client.post("/body", json={"text": "x"})
        wrong = await client.post("/body", json={"text": [SECRET]}, headers={"X-Needed": "y"})
        surrogate = await client.post(
            "/body", content=b'{"text": {"\\ud800": "\\udfff"}}', headers={"X-Needed": "y"}
        )
        broken = await client.post("/body", content=b"{", headers={"X-Needed": "y"})
    assert (missing.status_code, missing.json()["errors"][0]["path"]) == (400, "header.x-needed")
    assert (wrong.status_code, wrong.json()["errors"][0]["path"]) == (422, "body.text")
    assert SECRET not in wrong.text
    assert (surrogate.status_code, broken.status_code) == (422, 422)


@run
async def test_what_is_not_there_and_what_is_not_allowed_are_problems_too() -> None:
    """With the headers that belong to them."""
    async with client_of(service(_routes)) as client:
        nowhere = await client.get("/nowhere")
        refused = await client.put("/own")
    assert (nowhere.status_code, nowhere.json()["type"]) == (404, "about:blank")
    assert (refused.status_code, refused.headers["allow"]) == (405, "DELETE, GET")


@run
async def test_the_openapi_document_says_what_goes_wrong() -> None:
    """As problems, also where FastAPI has a form of its own."""
    async with client_of(service(_routes)) as client:
        document: Any = (await client.get("/openapi.json")).json()
    answers = document["paths"]["/body"]["post"]["responses"]
    assert set(answers) == {"200", "400", "422", "500", "503"}
    assert list(answers["422"]["content"]) == ["application/problem+json"]
    assert {"Problem", "Detail"} <= set(document["components"]["schemas"])
    assert "HTTPValidationError" not in document["components"]["schemas"]
