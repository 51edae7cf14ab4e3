"""What becomes known of a message later, and what is taken from it for good."""

from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from domain.documents import EMPTY, JsonObject
from domain.errors import ValidationError
from domain.messages import (
    REDACTED,
    Attachment,
    Generation,
    Message,
    MessageAnalysis,
    Moderation,
    QuickReply,
)
from ports.contracts.concurrency import RACERS, all_at_once, split
from ports.contracts.dialogues import begun, log_of, numbers, say, texts
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, examples, raised_by_each
from ports.contracts.message_strategies import PARTS, drafts
from ports.stores import TenantScope

TIME = datetime(2024, 2, 29, 12, tzinfo=UTC)
ANALYSIS = MessageAnalysis(intent="greet", confidence=0.75, language="en")
GENERATION = Generation(model="m", prompt_tokens=3, metadata=JsonObject.of({"trace": "secret"}))
MODERATION = Moderation(flagged=True, action="hide", metadata=JsonObject.of({"quote": "secret"}))


@given(data=st.data())
@examples(0.3)
@contract
async def test_an_annotation_is_stored_as_it_is(scope: TenantScope, data: st.DataObject) -> None:
    """Whatever the domain admits of the parts; those that weren't given stay."""
    talk = await begun(scope)
    (stored,) = await scope.messages.append(talk.id, [data.draw(drafts())])
    given = data.draw(st.fixed_dictionaries({}, optional=PARTS).filter(bool))
    annotated = await scope.messages.annotate(stored.id, **given)
    assert exact(annotated) == exact(attrs.evolve(stored, **given))
    assert exact(await scope.messages.require(stored.id)) == exact(annotated)


@contract
async def test_an_annotation_sets_its_parts_alone(scope: TenantScope) -> None:
    """None removes one; neither the head nor any other message changes."""
    talk = await begun(scope)
    stored, other = await say(scope, talk, "a", "b")
    head = await scope.conversations.require(talk.id)
    annotate = scope.messages.annotate
    one = await annotate(stored.id, analysis=ANALYSIS)
    assert exact(one) == exact(attrs.evolve(stored, analysis=ANALYSIS))
    two = await annotate(stored.id, generation=GENERATION, moderation=MODERATION)
    assert exact(two) == exact(attrs.evolve(one, generation=GENERATION, moderation=MODERATION))
    three = await annotate(stored.id, analysis=None, moderation=None)
    assert exact(three) == exact(attrs.evolve(stored, generation=GENERATION))
    assert exact(await log_of(scope, talk)) == exact([three, other])
    assert exact(await scope.conversations.require(talk.id)) == exact(head)


@contract
async def test_an_annotation_that_can_not_be_is_refused(scope: TenantScope) -> None:
    """Nothing at all, or what is none; the message stays as it is."""
    talk = await begun(scope)
    (stored,) = await say(scope, talk, "a")
    wrong: Any = {"intent": "greet"}
    other: Any = GENERATION
    for error in await raised_by_each(
        scope.messages.annotate(stored.id),
        scope.messages.annotate(stored.id, analysis=wrong),
        scope.messages.annotate(stored.id, analysis=other),
        scope.messages.annotate(stored.id, moderation=MODERATION, generation=wrong),
        scope.messages.annotate("", analysis=ANALYSIS),
    ):
        assert isinstance(error, ValidationError)
    assert exact(await scope.messages.require(stored.id)) == exact(stored)


@contract
async def test_concurrent_annotations_of_different_parts_all_take_effect(backend: Backend) -> None:
    """None undoes another; of one part, one of them stands whole."""
    scopes = backend.rivals()
    talk = await begun(scopes[0])
    (stored,) = await say(scopes[0], talk, "a")

    def act(number: int, scope: TenantScope) -> Coroutine[Any, Any, Message]:
        if number // 2 % 2:
            return scope.messages.annotate(stored.id, analysis=MessageAnalysis(intent=f"{number}"))
        return scope.messages.annotate(stored.id, generation=GENERATION, moderation=MODERATION)

    _, lost = split(await all_at_once(scopes, act))
    assert lost == []
    kept = await scopes[1].messages.require(stored.id)
    assert (kept.generation, kept.moderation) == (GENERATION, MODERATION)
    assert kept.intent in {f"{number}" for number in range(RACERS)}
    assert exact(attrs.evolve(kept, analysis=None, generation=None, moderation=None)) == exact(
        stored
    )


@contract
async def test_a_redacted_message_keeps_its_place_alone(
    backend: Backend, scope: TenantScope
) -> None:
    """Content, what was understood and all details go; who, when, where and findings stay."""
    talk = await begun(scope)
    full = Message.draft(
        "my number is 5550100",
        payload={"card": "5550100"},
        attachments=[Attachment(url="https://example.com/5550100")],
        quick_replies=[QuickReply(title="5550100")],
        sender="ada",
        channel="sms",
        at=TIME,
        analysis=MessageAnalysis(intent="5550100"),
        generation=GENERATION,
        moderation=MODERATION,
    )
    (stored,) = await scope.messages.append(talk.id, [full], idempotency_key="k")
    now = backend.clock.advance(hours=1)
    redacted = await scope.messages.redact(stored.id)
    assert exact(redacted) == exact(
        attrs.evolve(
            stored,
            content=REDACTED,
            analysis=None,
            generation=attrs.evolve(GENERATION, metadata=EMPTY),
            moderation=attrs.evolve(MODERATION, metadata=EMPTY),
            deleted_at=now,
        )
    )
    assert exact(await scope.messages.require(stored.id)) == exact(redacted)
    assert exact(await log_of(scope, talk)) == exact([redacted])


@contract
async def test_what_was_redacted_is_found_by_nothing_that_it_held(scope: TenantScope) -> None:
    """Neither by its words, its text, its intent nor how sure that was."""
    talk = await begun(scope)
    stored = (await say(scope, talk, "hello there", "other", analysis=ANALYSIS))[0]
    await scope.messages.redact(stored.id)
    assert texts((await scope.messages.search("hello")).items) == []
    assert texts((await scope.messages.by_intent("greet")).items) == ["other"]
    for asked in ({"text": "hello there"}, {"id": stored.id, "intent": "greet"}):
        assert await scope.messages.count(asked) == 0
    where = scope.messages.where
    assert await scope.messages.count(where("text").contains("hello")) == 0
    assert await scope.messages.count(where("confidence").gte(0)) == 1
    for wanted in (where("content_type").eq("redacted"), where("deleted_at").is_not_null()):
        assert [m.id async for m in scope.messages.stream(wanted)] == [stored.id]


@contract
async def test_redacting_lowers_the_count_once(backend: Backend) -> None:
    """However many do it at once, and again: all of them get the message of the first."""
    scopes = backend.rivals()
    talk = await begun(scopes[0])
    stored = await say(scopes[0], talk, "a", "b", "c")
    head = await scopes[0].conversations.require(talk.id)

    def act(number: int, scope: TenantScope) -> Coroutine[Any, Any, Message]:
        return scope.messages.redact(stored[1].id)

    won, lost = split(await all_at_once(scopes, act))
    assert lost == []
    backend.clock.advance(hours=1)
    won.append(await scopes[1].messages.redact(stored[1].id))
    assert {str(exact(message)) for message in won} == {str(exact(won[0]))}
    assert won[0].content == REDACTED
    found = await scopes[1].conversations.require(talk.id)
    assert exact(found) == exact(attrs.evolve(head, message_count=2))
    assert numbers(await say(scopes[0], talk, "d")) == [4]


@contract
async def test_redactions_and_appends_at_once_are_all_counted(backend: Backend) -> None:
    """The head's count is that of the messages which have content."""
    scopes = backend.rivals()
    talk = await begun(scopes[0])
    stored = await say(scopes[0], talk, *["x"] * RACERS)

    def act(number: int, scope: TenantScope) -> Coroutine[Any, Any, Any]:
        if number // 2 % 2:
            return scope.messages.redact(stored[number].id)
        return say(scope, talk, "new", "new")

    _, lost = split(await all_at_once(scopes, act))
    assert lost == []
    head = await scopes[1].conversations.require(talk.id)
    log = await log_of(scopes[1], talk)
    assert head.last_sequence == len(log) == 2 * RACERS
    assert head.message_count == len([one for one in log if one.deleted_at is None])
    assert head.message_count == 2 * RACERS - RACERS // 2


@contract
async def test_a_message_of_a_closed_conversation_can_be_redacted(scope: TenantScope) -> None:
    """And annotated: the conversation takes no messages any more, that is all."""
    talk = await begun(scope)
    one, two = await say(scope, talk, "a", "b")
    closed = await scope.conversations.transition(talk.id, "completed")
    assert (await scope.messages.annotate(one.id, analysis=ANALYSIS)).intent == "greet"
    assert (await scope.messages.redact(two.id)).content == REDACTED
    stored = await scope.conversations.require(talk.id)
    assert exact(stored) == exact(attrs.evolve(closed, message_count=1))


@contract
async def test_a_redacted_message_is_annotated_no_more(scope: TenantScope) -> None:
    """Not even with None; it stays as it is."""
    talk = await begun(scope)
    (stored,) = await say(scope, talk, "a")
    redacted = await scope.messages.redact(stored.id)
    for error in await raised_by_each(
        scope.messages.annotate(stored.id, analysis=ANALYSIS),
        scope.messages.annotate(stored.id, moderation=None),
    ):
        assert isinstance(error, ValidationError)
        assert [fault.path for fault in error.faults] == ["deleted_at"]
    assert exact(await scope.messages.require(stored.id)) == exact(redacted)


@contract
async def test_an_annotation_never_survives_a_redaction(backend: Backend) -> None:
    """At once, in whatever order: nothing that was understood of it is left."""
    scopes = backend.rivals()
    talk = await begun(scopes[0])
    for stored in await say(scopes[0], talk, "a", "b", "c"):

        def act(
            number: int, scope: TenantScope, id: str = stored.id
        ) -> Coroutine[Any, Any, Message]:
            if number == 3:
                return scope.messages.redact(id)
            return scope.messages.annotate(id, analysis=ANALYSIS)

        _, lost = split(await all_at_once(scopes, act, 6))
        assert {type(error) for error in lost} <= {ValidationError}
        kept = await scopes[1].messages.require(stored.id)
        assert (kept.content, kept.analysis) == (REDACTED, None)
    assert (await scopes[1].messages.by_intent("greet")).items == ()
