"""Which conversations are listed: a user's active ones, and a tenant's by all that is asked."""

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from domain.conversations import ConversationStatus
from ports.contracts.dialogues import begun, say
from ports.contracts.harness import Backend, contract, raised_by_each
from ports.errors import InvalidQueryError
from ports.paging import Pagination
from ports.stores import TenantScope

TIME = datetime(2024, 2, 29, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@contract
async def test_a_users_active_conversations_come_by_their_last_activity(
    backend: Backend, scope: TenantScope
) -> None:
    """The latest first, as messages and touches leave them; no other user's, none that isn't."""
    find = scope.conversations.get_active_for_user
    one, two, three = [
        await begun(scope, f"talk {n}", channel=channel)
        for n, channel in enumerate(["web", "sms", "web"])
    ]
    await begun(scope, user_id="Ada")
    for status in ("paused", "escalated", "error", "completed"):
        other = await begun(scope)
        await scope.conversations.transition(other.id, status)
    assert [talk.id for talk in await find("ada")] == [three.id, two.id, one.id]
    backend.clock.advance(minutes=1)
    await say(scope, one, "hello")
    await scope.conversations.touch(two.id, at=backend.clock.kept + HOUR)
    assert [talk.id for talk in await find("ada")] == [two.id, one.id, three.id]
    assert [talk.id for talk in await find("ada", limit=2)] == [two.id, one.id]
    assert [talk.id for talk in await find("ada", channel="web")] == [one.id, three.id]
    assert await find("ada", channel="email") == await find("nobody") == ()
    assert await backend.fresh().conversations.get_active_for_user("ada") == ()
    wrong: Any = None
    for error in await raised_by_each(
        find(wrong), find("ada", channel="pigeon"), find("ada", limit=0), find("ada", limit=1_001)
    ):
        assert isinstance(error, InvalidQueryError)


async def _listed(scope: TenantScope, **asked: Any) -> list[str]:
    page = await scope.conversations.list_by_tenant(**asked)
    assert page.total == len(page.items)
    return [talk.id for talk in page.items]


@contract
async def test_a_tenants_conversations_are_listed_by_all_that_is_asked(scope: TenantScope) -> None:
    """Together; those started last first; the bounds of time from (inclusive) and before."""
    for n, (channel, user, status, summary) in enumerate(
        [
            ("web", "ada", "active", "Wants a refund for the flight"),
            ("sms", "ada", "paused", "refunded: Straße 5"),
            ("web", "bob", "active", None),
            ("email", "bob", "completed", "我想订酒店"),
            ("web", "ada", "active", "no refund, no flight"),
        ]
    ):
        talk = await begun(
            scope,
            f"{n}",
            channel=channel,
            user_id=user,
            summary=summary,
            started_at=TIME + n * HOUR,
        )
        await scope.conversations.transition(talk.id, status)
    assert await _listed(scope) == ["4", "3", "2", "1", "0"]
    assert await _listed(scope, statuses=["active"]) == ["4", "2", "0"]
    assert await _listed(scope, statuses=[ConversationStatus.PAUSED, "completed"]) == ["3", "1"]
    assert await _listed(scope, channels=["sms", "email"]) == ["3", "1"]
    assert await _listed(scope, user_id="bob") == ["3", "2"]
    assert await _listed(scope, started_from=TIME + HOUR) == ["4", "3", "2", "1"]
    assert await _listed(scope, started_before=TIME + HOUR) == ["0"]
    between = {"started_from": TIME + HOUR, "started_before": TIME + 3 * HOUR}
    assert await _listed(scope, **between) == ["2", "1"]
    assert await _listed(scope, text="refund") == ["4", "1", "0"]
    assert await _listed(scope, text="FLIGHT refund") == ["4", "0"]
    assert await _listed(scope, text="strasse") == ["1"]
    assert await _listed(scope, text="酒店") == ["3"]
    assert await _listed(scope, text="fund") == []
    assert (
        await _listed(scope, statuses=["active"], channels=["web"], text="refund", **between) == []
    )
    asked: dict[str, Any] = {"statuses": ["active"], "user_id": "ada", "text": "no"}
    assert await _listed(scope, **asked, channels=["web"], started_from=TIME) == ["4"]
    assert await _listed(scope, statuses=[]) == await _listed(scope, channels=[]) == []
    assert await _listed(scope, order="started_at", channels=["web"]) == ["0", "2", "4"]


@contract
async def test_a_list_of_conversations_is_paged_after_it_is_narrowed(scope: TenantScope) -> None:
    """Totals and pages are of those that were asked for."""
    for n in range(7):
        summary = "even" if n % 2 == 0 else "odd"
        await begun(scope, f"{n}", summary=summary, started_at=TIME + n * HOUR)
    page = await scope.conversations.list_by_tenant(text="even", pagination=Pagination(1, 3))
    assert [talk.id for talk in page.items] == ["6", "4", "2"]
    assert (page.total, page.has_next) == (4, True)
    page = await scope.conversations.list_by_tenant(text="even", pagination=Pagination(2, 3))
    assert ([talk.id for talk in page.items], page.total, page.has_next) == (["0"], 4, False)


@contract
async def test_a_list_that_has_no_meaning_is_refused(scope: TenantScope) -> None:
    """Unknown statuses and channels, naive times, a search for signs alone."""
    found: Any = scope.conversations.list_by_tenant
    for error in await raised_by_each(
        found(statuses=["no such status"]),
        found(channels=["pigeon"]),
        found(user_id=3),
        found(started_from=datetime(2024, 1, 1)),  # noqa: DTZ001  # what is refused
        found(text="?!"),
        found(text="\x00"),
        found(order="summary"),
    ):
        assert isinstance(error, InvalidQueryError)


@contract
async def test_a_summary_is_found_by_its_words_as_it_stands_now(scope: TenantScope) -> None:
    """After an update, a patch, a patch of many, and when it is gone."""
    talk = await begun(scope, summary="first words")
    await scope.conversations.update(attrs.evolve(talk, summary="second words"))
    assert await _listed(scope, text="first") == []
    assert await _listed(scope, text="second wor") == [talk.id]
    await scope.conversations.patch(talk.id, summary="third")
    assert await _listed(scope, text="words") == []
    await scope.conversations.update_where(None, summary="fourth")
    assert (await _listed(scope, text="third"), await _listed(scope, text="four")) == (
        [],
        [talk.id],
    )
    await scope.conversations.patch(talk.id, summary=None)
    assert (await _listed(scope, text="fourth"), await _listed(scope)) == ([], [talk.id])
