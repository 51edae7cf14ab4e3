"""What becomes of contracts on a store whose time passes by itself."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest

from adapters.memory import MemoryRuntimeStore
from ports.contracts.harness import Backend, ForeignClock, Group, contract
from ports.stores import RuntimeStore, TenantScope


class Elsewhere(Backend):
    """A store that has the machine's time."""

    name: ClassVar[str] = "elsewhere"
    offers: ClassVar[frozenset[Group]] = frozenset({Group.RUNTIME})

    def __init__(self) -> None:
        super().__init__(ForeignClock())

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[Sequence[RuntimeStore]]:
        store = MemoryRuntimeStore()
        yield store, store.sibling(clock=self.ahead)


@contract
async def moves_it(backend: Backend) -> None:
    """Skipped, when it does."""
    backend.clock.advance(seconds=1)
    raise AssertionError


@contract
async def asks_for_it(backend: Backend) -> None:
    """Skipped, when it does."""
    raise AssertionError(backend.clock.kept)


@contract(still=True)
async def needs_it_still(scope: TenantScope) -> None:
    """Skipped from the start."""
    raise AssertionError


@contract
async def has_no_use_for_it(scope: TenantScope) -> None:
    """Runs."""
    await scope.sessions.create("ada")
    raise LookupError


@pytest.mark.parametrize("skipped", [moves_it, asks_for_it, needs_it_still])
def test_what_is_about_time_is_skipped(skipped: object) -> None:
    """It would say nothing."""
    assert callable(skipped)
    with Elsewhere() as backend, pytest.raises(pytest.skip.Exception):
        skipped(backend=backend)


def test_everything_else_is_run() -> None:
    """To its end."""
    with Elsewhere() as backend, pytest.raises(LookupError):
        has_no_use_for_it(backend=backend)
