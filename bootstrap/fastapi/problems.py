"""Every error of the ports and the domain, as a problem (RFC 9457), in one place."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import attrs
from fastapi.responses import Response
from pydantic import BaseModel

from domain.conversations import ConversationClosedError
from domain.errors import TransitionNotAllowedError, ValidationError
from ports import errors

MEDIA_TYPE: Final = "application/problem+json"
TYPES: Final = "urn:dialogbase:problem:"
"""What the type of a problem begins with. Types are stable: clients may go by them."""

RETRY_SECONDS: Final = 1
"""When to try again what failed because a store couldn't be reached."""


class Detail(BaseModel):
    """One thing that is wrong with what was sent: where, as a path, and why."""

    path: str
    message: str


class Problem(BaseModel):
    """What went wrong (RFC 9457). `type` tells problems apart; the texts are for people."""

    type: str
    title: str
    status: int
    detail: str | None = None
    errors: list[Detail] | None = None


class ProblemError(Exception):
    """A problem of a service's own: raise it, or a subclass, in handlers and dependencies.

    `type` is a word for it, such as `no-flow`; None if the status says all there is to say. Headers
    go with the answer.
    """

    def __init__(
        self,
        status: int,
        type: str | None,
        *,
        detail: str | None = None,
        errors: list[Detail] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.problem = Problem(
            type="about:blank" if type is None else TYPES + type,
            title=HTTPStatus(status).phrase,
            status=status,
            detail=detail,
            errors=errors,
        )
        self.headers = dict(headers or {})
        super().__init__(status, type)

    def response(self) -> Response:
        """How it is answered."""
        return Response(
            self.problem.model_dump_json(exclude_none=True),
            status_code=self.problem.status,
            media_type=MEDIA_TYPE,
            headers={"Cache-Control": "no-store", **self.headers},
        )


@attrs.frozen
class Answer:
    """How an error is answered. `told`: whether with its own text, which names what was asked for
    and never what it held; what isn't the client's to know is only logged.
    """

    status: int
    type: str
    told: bool = True


ANSWERS: Final[Mapping[type[Exception], Answer]] = {
    errors.EntityNotFoundError: Answer(404, "not-found"),
    errors.ErasedError: Answer(410, "erased"),
    errors.DuplicateEntityError: Answer(409, "duplicate"),
    errors.ConflictError: Answer(409, "conflict"),
    errors.SequenceConflictError: Answer(409, "sequence"),
    # Of another request, by its draft; 409 is for one that is still under way.
    errors.IdempotencyKeyReusedError: Answer(422, "idempotency-key-reused"),
    errors.InvalidQueryError: Answer(422, "query"),
    errors.LockLostError: Answer(409, "lock-lost"),
    errors.LockNotAcquiredError: Answer(503, "busy"),
    errors.TransactionError: Answer(503, "transaction"),
    errors.StoreUnavailableError: Answer(503, "unavailable", told=False),
    errors.StoreTimeoutError: Answer(503, "timeout", told=False),
    errors.OutcomeUnknownError: Answer(503, "outcome-unknown", told=False),
    errors.UnsupportedOperationError: Answer(501, "unsupported"),
    # The service's own faults, or the store's.
    errors.TenantMismatchError: Answer(500, "internal", told=False),
    errors.CorruptRecordError: Answer(500, "internal", told=False),
    errors.EncryptionKeyError: Answer(500, "internal", told=False),
    errors.RepositoryError: Answer(500, "internal", told=False),
    ConversationClosedError: Answer(409, "closed"),
    TransitionNotAllowedError: Answer(409, "transition"),
    ValidationError: Answer(422, "validation"),
}
"""By class; a subclass that isn't here is answered as the nearest class above it that is."""


def problem_of(error: Exception) -> ProblemError:
    """The problem that an error of a port or of the domain is."""
    answer = next(ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS)
    faults = error.faults if isinstance(error, ValidationError) else ()
    retryable = isinstance(error, errors.RepositoryError) and error.retryable
    return ProblemError(
        answer.status,
        answer.type,
        detail=str(error) if answer.told else None,
        errors=[Detail(path=fault.path, message=fault.message) for fault in faults] or None,
        headers={"Retry-After": str(RETRY_SECONDS)} if retryable else None,
    )


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: that it may answer with problems of these statuses."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }
