"""Messages: stored as they were drafted, found by what they hold."""

from datetime import UTC, datetime
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from domain.identity import EntryDraft
from domain.messages import (
    ContentType,
    Direction,
    Message,
    MessageAnalysis,
)
from ports.contracts.dialogues import begun, log_of, numbers, say, texts
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, examples, raised_by, raised_by_each
from ports.contracts.message_strategies import alike, drafts, whole
from ports.contracts.queries import criteria, orders
from ports.errors import EntityNotFoundError, InvalidQueryError
from ports.messages import MESSAGE_SCHEMA
from ports.paging import Order, Pagination
from ports.stores import TenantScope

TIME = datetime(2024, 2, 29, 12, tzinfo=UTC)
ANALYSIS = MessageAnalysis(intent="greet", confidence=0.75, language="en")


@given(given=st.lists(drafts(), min_size=1, max_size=4))
@examples(0.5)
@contract
async def test_a_message_is_stored_as_it_was_drafted(
    backend: Backend, scope: TenantScope, given: list[EntryDraft[Message]]
) -> None:
    """In every part, whatever the domain admits; by id, in the log, and in what was returned."""
    talk = await begun(scope)
    appended = await scope.messages.append(talk.id, given)
    for number, (draft, stored) in enumerate(zip(given, appended, strict=True), 1):
        expected = attrs.evolve(
            draft.provisional,
            id=stored.id,
            tenant_id=scope.tenant,
            conversation_id=talk.id,
            sequence=number,
            at=draft.provisional.at if draft.has_time else backend.clock.kept,
        )
        assert exact(stored) == exact(expected)
        assert exact(await scope.messages.require(stored.id)) == exact(expected)
    assert exact(await log_of(scope, talk)) == exact(list(appended))


@given(data=st.data())
@examples(0.3)
@contract
async def test_a_restored_message_is_stored_as_it_is(
    scope: TenantScope, data: st.DataObject
) -> None:
    """Ids and times of every kind, keys and redacted contents included."""
    log = data.draw(whole(scope.tenant, "talk"))
    talk = await begun(scope, "talk")
    head = attrs.evolve(talk, id="talk", last_sequence=len(log))
    await scope.conversations.delete(talk.id)
    await scope.conversations.create(head)
    await scope.messages.restore(log)
    assert exact(await log_of(scope, talk)) == exact(log)
    assert exact(await scope.messages.get_many([one.id for one in log])) == exact(tuple(log))


@contract
async def test_a_plain_draft_gets_what_it_lacks(backend: Backend, scope: TenantScope) -> None:
    """An id of its own, the time at which it is appended; a text that comes from the user."""
    talk = await begun(scope)
    now = backend.clock.advance(minutes=3)
    (stored,) = await say(scope, talk, "hello")
    assert stored.at == now
    assert (stored.tenant_id, stored.conversation_id) == (scope.tenant, talk.id)
    assert (stored.direction, stored.content_type) == (Direction.INBOUND, ContentType.TEXT)
    assert stored.idempotency_key is None
    (event,) = await scope.messages.append(talk.id, [Message.draft(payload={"tool": "x"})])
    assert (event.content_type, event.text) == (ContentType.EVENT, None)
    assert stored.id < event.id  # minted in order of time


@given(data=st.data())
@examples(0.15)
@contract
async def test_messages_are_found_exactly_by_what_criteria_mean(
    scope: TenantScope, data: st.DataObject
) -> None:
    """Any criteria over text, intent and the rest, redacted ones among them, in any order."""
    for _ in range(2):
        given = data.draw(st.lists(alike(), min_size=1, max_size=4))
        await scope.messages.append((await begun(scope)).id, given)
    stored = [message async for message in scope.messages.stream()]
    await scope.messages.redact(data.draw(st.sampled_from(stored)).id)
    stored = [message async for message in scope.messages.stream()]
    asked = criteria(MESSAGE_SCHEMA, stored, regex=False)
    for wanted in data.draw(st.lists(asked, min_size=3, max_size=6)):
        order = data.draw(orders(MESSAGE_SCHEMA))
        matching = [message for message in stored if wanted.matches(message)]
        expected = [m.id for m in Order.of(order, MESSAGE_SCHEMA).sorted(matching)]
        page = await scope.messages.list(wanted, Pagination(page_size=100), order)
        assert [message.id for message in page.items] == expected
        assert await scope.messages.count(wanted) == page.total == len(expected)
        assert [m.id async for m in scope.messages.stream(wanted, order)] == expected
        half = await scope.messages.scan(wanted, order, limit=2)
        rest = half.next and await scope.messages.scan(wanted, order, half.next, 1_000)
        found = [*half.items, *(rest.items if rest else ())]
        assert [message.id for message in found] == expected


@contract
async def test_what_lies_deep_in_a_message_can_be_asked_for(scope: TenantScope) -> None:
    """Its text, its type, its intent and how sure that is; null where there is nothing."""
    talk = await begun(scope)
    unsure = MessageAnalysis(intent="leave", confidence=0.25)
    await scope.messages.append(
        talk.id,
        [
            Message.draft("hello", analysis=ANALYSIS),
            Message.draft("bye", analysis=unsure, type="card"),
            Message.draft(analysis=MessageAnalysis(confidence=1)),
            Message.draft("", direction="outbound"),
        ],
    )
    where = scope.messages.where
    for wanted, found in (
        (where("text").eq("hello"), [1]),
        (where("text").startswith("h"), [1]),
        (where("text").is_null(), [3]),
        (where("text").ne("hello"), [2, 4]),
        (where("content_type").in_(["card", "event"]), [2, 3]),
        (where("intent").eq("greet"), [1]),
        (where("intent").is_null(), [3, 4]),
        (~where("intent").eq("greet"), [2, 3, 4]),
        (where("confidence").gte(0.75), [1, 3]),
        (where("confidence").lt(1), [1, 2]),
        (where("confidence").is_null(), [4]),
        (where("sequence").gt(2), [3, 4]),
        (where("direction").eq("outbound"), [4]),
        (where("deleted_at").is_not_null(), []),
    ):
        page = await scope.messages.list(wanted)
        assert sorted(numbers(page.items)) == found, wanted


@contract
async def test_another_tenants_message_does_not_exist(backend: Backend) -> None:
    """By its id it is neither read, annotated nor redacted, as one that nobody has."""
    theirs, mine = backend.fresh(), backend.fresh()
    talk = await begun(theirs)
    (stored,) = await say(theirs, talk, "theirs", analysis=ANALYSIS)
    await begun(mine, talk.id)
    for id in (stored.id, "nobody's"):
        assert await mine.messages.get_by_id(id) is None
        assert await mine.messages.exists(id) is False
        for error in await raised_by_each(
            mine.messages.require(id),
            mine.messages.annotate(id, analysis=None),
            mine.messages.redact(id),
        ):
            assert isinstance(error, EntityNotFoundError)
            assert (error.entity_type, error.entity_id) == ("message", id)
    assert await mine.messages.get_many([stored.id]) == ()
    assert await mine.messages.count() == await mine.messages.count({"intent": "greet"}) == 0
    assert (await mine.messages.by_intent("greet")).items == ()
    assert (await mine.messages.search("")).items == ()
    assert exact(await log_of(theirs, talk)) == exact([stored])


@contract
async def test_messages_of_an_intent_come_newest_first(scope: TenantScope) -> None:
    """Only those at least so sure; page by page; the intent to the letter."""
    talk = await begun(scope)
    for place, confidence in enumerate([0.5, None, 1.0, 0.0, 0.75]):
        analysis = MessageAnalysis(intent="greet", confidence=confidence)
        time = TIME.replace(minute=[3, 1, 4, 0, 2][place])
        await say(scope, talk, f"{place}", analysis=analysis, at=time)
    for intent in ("Greet", "greet ", "gree", "$greet"):
        await say(scope, talk, intent, analysis=MessageAnalysis(intent=intent, confidence=1.0))
    by_intent = scope.messages.by_intent
    for least, found in (
        (0.0, ["2", "0", "4", "1", "3"]),
        (5e-324, ["2", "0", "4"]),
        (0.5, ["2", "0", "4"]),
        (0.51, ["2", "4"]),
        (1, ["2"]),
        (1.5, []),
    ):
        assert texts((await by_intent("greet", min_confidence=least)).items) == found, least
    first = await by_intent("greet", limit=3)
    assert texts(first.items) == ["2", "0", "4"]
    second = await by_intent("greet", after=first.next, limit=3)
    assert (texts(second.items), second.next) == (["1", "3"], None)
    assert (await by_intent("nobody's")).items == ()


@contract
async def test_an_intent_that_can_not_be_asked_for_is_refused(scope: TenantScope) -> None:
    """A wrong type, a number that is none, a cursor of another question."""
    talk = await begun(scope)
    await say(scope, talk, "a", "b", analysis=ANALYSIS)
    cursor = (await scope.messages.by_intent("greet", limit=1)).next
    by_intent: Any = scope.messages.by_intent
    for error in await raised_by_each(
        by_intent(None),
        by_intent(3),
        by_intent("\x00"),
        by_intent("greet", min_confidence="high"),
        by_intent("greet", min_confidence=float("nan")),
        by_intent("greet", limit=0),
        by_intent("leave", after=cursor),
        by_intent("greet", min_confidence=0.1, after=cursor),
    ):
        assert isinstance(error, InvalidQueryError)
    assert await raised_by(by_intent("greet", after=cursor)) is None
