"""Events in memory: what listing them costs."""

import asyncio
from typing import Any

import pytest

from adapters.memory import MemoryAnalyticsStore
from domain.analytics import AnalyticsEvent
from domain.identity import tenant_id
from ports.criteria import And

NUMBER = 3_000
"""Six pages of a stream."""


@pytest.mark.parametrize("order", ["at", "-at", "id", "-id"])
def test_each_event_is_looked_at_once_however_many_pages_there_are(
    monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    """In every order; also when some came and went between two pages."""
    looked, matches = 0, And.matches

    def counting(self: And, entity: Any) -> bool:
        nonlocal looked
        looked += 1
        return matches(self, entity)

    async def listed() -> list[str]:
        events = MemoryAnalyticsStore().repositories(tenant_id("acme"))
        for some in range(3):
            await events.record_many(
                AnalyticsEvent.draft("turn", id=f"e{number:04}")
                for number in range(some, NUMBER, 3)
            )
        found: list[str] = []
        async for event in events.stream(order=order):
            if len(found) == NUMBER // 2:
                await events.record(AnalyticsEvent.draft("turn", id="a", user_id="ada"))
                await events.delete_for_user("ada")
            found.append(event.id)
        return found

    monkeypatch.setattr(And, "matches", counting)
    found = asyncio.run(listed())
    assert len(set(found)) == len(found) == NUMBER
    if order.endswith("id"):
        assert found == sorted(found, reverse=order.startswith("-"))
    assert looked <= NUMBER + 2 * NUMBER // 500
