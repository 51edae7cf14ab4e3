"""Ending a user's sessions while others begin, each time."""

import asyncio

import pytest

from adapters.memory.runtime_data import TenantData
from adapters.memory.sessions import MemorySessionStore
from adapters.system import SystemClock
from domain.identity import UserId, tenant_id
from ports.errors import OutcomeUnknownError


class _NeverDone(MemorySessionStore):
    """In which another session always begins meanwhile."""

    async def _remove_all(self, user_id: UserId, keep: str | None) -> tuple[int, bool]:
        gone, _ = await super()._remove_all(user_id, keep)
        return gone, True


def test_a_log_out_that_never_gets_done_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was told that it is done would believe that nobody is logged in."""

    async def at_once(_: int) -> None:
        return

    monkeypatch.setattr("ports.sessions.back_off", at_once)
    sessions = _NeverDone(tenant_id("acme"), TenantData(), SystemClock())
    with pytest.raises(OutcomeUnknownError):
        asyncio.run(sessions.delete_for_user("ada"))
