"""Operations that are under way, and what is done when they end."""

import time
from asyncio import CancelledError
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs

from domain.errors import ValidationError
from domain.identity import TenantId
from ports.errors import (
    CorruptRecordError,
    EncryptionKeyError,
    LockLostError,
    OutcomeUnknownError,
    RepositoryError,
    StoreTimeoutError,
    StoreUnavailableError,
    UnsupportedOperationError,
)
from ports.logs import Log

if TYPE_CHECKING:
    from adapters.observed.telemetry import Telemetry, Traced

_TROUBLE: Final = (
    StoreUnavailableError,
    StoreTimeoutError,
    OutcomeUnknownError,
    CorruptRecordError,
    EncryptionKeyError,
    LockLostError,
    UnsupportedOperationError,
)
_LOG: Final = Log("operations")


@attrs.frozen
class Place:
    """Where operations happen: in which port, as a scope names it, of which store and tenant."""

    port: str
    store: str
    tenant: TenantId


def is_trouble(error: BaseException) -> bool:
    """Whether an operator may want to look: not what a port answers in the course of things (there
    is no such entity, somebody else was first), nor a caller that left.
    """
    if has_left(error):
        return False
    answers = isinstance(error, RepositoryError | ValidationError)
    return isinstance(error, _TROUBLE) or not answers


def has_left(error: BaseException) -> bool:
    """Whether it is the caller who went away: no failure."""
    return isinstance(error, CancelledError | GeneratorExit)


class Observer:
    """What is done about operations.

    `log_failures`: each one that fails is logged, trouble as a warning and answers such as
    `EntityNotFoundError` as information. `slow`: one that took longer, in seconds, is logged, too;
    None: none is. `telemetry`: each is a span and in the metrics. `monotonic` gives the seconds of
    a clock that never goes back.
    """

    def __init__(
        self,
        *,
        log_failures: bool = False,
        slow: float | None = None,
        telemetry: "Telemetry | None" = None,
        monotonic: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.log_failures = log_failures
        self.slow = slow
        self.telemetry = telemetry
        self.now = monotonic


class Observation:
    """One operation, from now on. It is timed, and is what happens within, until `suspended`."""

    __slots__ = ("_longest", "_observer", "_operation", "_place", "_seconds", "_since", "_traced")

    def __init__(self, observer: Observer, place: Place, operation: str) -> None:
        self._observer = observer
        self._place = place
        self._operation = operation
        self._seconds = self._longest = 0.0
        telemetry = observer.telemetry
        self._traced: Traced | None = (
            None if telemetry is None else telemetry.operation(place, operation)
        )
        self._since = observer.now()

    def suspend(self) -> None:
        """What follows is the caller's, as between the items of a stream."""
        waited = self._observer.now() - self._since
        self._seconds += waited
        self._longest = max(self._longest, waited)
        if self._traced is not None:
            self._traced.leave()

    def resume(self) -> None:
        """It goes on."""
        if self._traced is not None:
            self._traced.enter()
        self._since = self._observer.now()

    def ended(self, error: BaseException | None = None, *, own: bool = True) -> None:
        """It ended, while it wasn't suspended. `own`: whether an error is the operation's, and not
        merely that of the block around which it was.
        """
        self.suspend()
        self.over(error, own=own)

    def over(self, error: BaseException | None = None, *, own: bool = True) -> None:
        """It ended, while it was suspended."""
        observer = self._observer
        if self._traced is not None:
            self._traced.over(self._seconds, error, own)
        if error is not None and own and observer.log_failures and not has_left(error):
            tell = _LOG.warning if is_trouble(error) else _LOG.info
            tell("an operation failed", **self._about(self._seconds), error=type(error).__name__)
        elif observer.slow is not None and self._longest > observer.slow:
            _LOG.warning("an operation was slow", **self._about(self._longest))

    def _about(self, seconds: float) -> dict[str, str | float]:
        place = self._place
        return {
            "port": place.port,
            "operation": self._operation,
            "tenant": place.tenant,
            "store": place.store,
            "seconds": round(seconds, 6),
        }
