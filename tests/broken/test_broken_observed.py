"""What observes ports, broken in one way at a time, is failed by a contract of the ports."""

from collections.abc import Callable
from typing import Any

import pytest

from adapters.observed import ports as observing
from adapters.observed import scope as scopes
from ports.contracts import flows, locks, unit_of_work
from ports.contracts.subjects import FLOWS
from tests.contracts.observed_backends import MemoryObservedBackend


def swallowing(name: str, member: Callable[..., Any]) -> Callable[..., Any]:
    """Tells of an error, and answers None."""

    async def operation(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await getattr(self._observed.origin, name)(*args, **kwargs)
        except Exception:  # noqa: BLE001  # that is the fault
            return None

    return observing._in_place_of(member, operation)


async def committing(self: Any, *raised: object) -> None:
    """Doesn't tell the unit that its block failed."""
    await self._origin.__aexit__(None, None, None)


async def keeping(self: Any, *raised: object) -> None:
    """Forgets to give back what it holds."""


async def hushing(self: Any, *raised: Any) -> bool:
    """Keeps the block's error to itself."""
    await self._origin.__aexit__(*raised)
    return True


CASES: dict[str, tuple[object, str, object, Callable[..., None], dict[str, Any]]] = {
    "swallowing": (
        observing,
        "_awaited",
        swallowing,
        flows.test_named_operations_say_if_there_is_no_such_flow,
        {},
    ),
    "committing": (
        scopes._ObservedUnit,
        "__aexit__",
        committing,
        unit_of_work.test_an_exception_rolls_everything_back,
        {"subject": FLOWS, "kind": RuntimeError},
    ),
    "keeping": (
        observing._Held,
        "__aexit__",
        keeping,
        locks.test_a_lock_is_held_for_a_block_and_free_after_it,
        {},
    ),
    "hushing": (
        observing._Held,
        "__aexit__",
        hushing,
        locks.test_an_exception_passes_through_and_releases,
        {},
    ),
}


def _run(case: str) -> None:
    _, _, _, contract, arguments = CASES[case]
    observing._kind.cache_clear()
    try:
        with MemoryObservedBackend() as backend:
            contract(backend=backend, **arguments)
    finally:
        observing._kind.cache_clear()


@pytest.mark.parametrize("case", CASES)
def test_what_observes_wrongly_is_found_out(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what its port promises."""
    where, name, instead, _, _ = CASES[case]
    monkeypatch.setattr(where, name, instead)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        _run(case)


@pytest.mark.parametrize("case", CASES)
def test_what_observes_as_it_should_passes_the_same_contracts(case: str) -> None:
    """So it is the fault that fails it."""
    _run(case)
