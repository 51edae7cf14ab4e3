"""Idempotent appends: the same one again changes nothing, another one under its key is refused."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.conversations import Conversation
from domain.identity import EntryDraft
from domain.messages import (
    Attachment,
    Message,
    MessageAnalysis,
    Moderation,
    QuickReply,
)
from ports.contracts.dialogues import begun, log_of, numbers, said, say, texts
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, raised_by, raised_by_each
from ports.errors import (
    DuplicateEntityError,
    EntityNotFoundError,
    IdempotencyKeyReusedError,
    SequenceConflictError,
)
from ports.stores import TenantScope

KEY = "attempt:1"
TIME = datetime(2024, 2, 29, 12, tzinfo=UTC)


async def keyed(
    scope: TenantScope, talk: Conversation, drafts: Sequence[EntryDraft[Message]], key: str = KEY
) -> tuple[Message, ...]:
    """Append under a key."""
    return await scope.messages.append(talk.id, drafts, idempotency_key=key)


@contract
async def test_a_replay_returns_the_first_result_and_changes_nothing(backend: Backend) -> None:
    """From any instance, whatever time has passed: no message more, the head as it was."""
    here, there = backend.rivals()
    talk = await begun(here)
    first = await keyed(here, talk, said("a", "b"))
    assert [message.idempotency_key for message in first] == [KEY, KEY]
    head = await here.conversations.require(talk.id)
    backend.clock.advance(days=1_000)
    for scope in (there, here):
        assert exact(await keyed(scope, talk, said("a", "b"))) == exact(first)
    assert exact(await log_of(there, talk)) == exact(list(first))
    assert exact(await there.conversations.require(talk.id)) == exact(head)


@contract
async def test_a_replay_succeeds_whatever_came_later(scope: TenantScope) -> None:
    """More messages, the conversation's end, an expectation that was true of the first alone."""
    talk = await begun(scope)
    append = scope.messages.append
    again: dict[str, Any] = {"idempotency_key": KEY, "expected_sequence": 0}
    first = await append(talk.id, said("a"), **again)
    await say(scope, talk, "b", "c")
    assert exact(await append(talk.id, said("a"), **again)) == exact(first)
    await scope.conversations.transition(talk.id, "completed")
    assert exact(await append(talk.id, said("a"), **again)) == exact(first)
    await scope.conversations.transition(talk.id, "archived")
    assert exact(await append(talk.id, said("a"), **again)) == exact(first)
    assert texts(await log_of(scope, talk)) == ["a", "b", "c"]


@contract
async def test_a_replay_shows_messages_as_they_stand_now(scope: TenantScope) -> None:
    """What was annotated since is annotated, what was redacted is redacted."""
    talk = await begun(scope)
    first = await keyed(scope, talk, said("a", "b"))
    analysis = MessageAnalysis(intent="greet", confidence=0.5)
    annotated = await scope.messages.annotate(first[0].id, analysis=analysis)
    assert exact(await keyed(scope, talk, said("a", "b"))) == exact((annotated, first[1]))
    redacted = await scope.messages.redact(first[1].id)
    assert exact(await keyed(scope, talk, said("a", "b"))) == exact((annotated, redacted))


@contract
async def test_what_was_redacted_is_not_compared(scope: TenantScope) -> None:
    """Nobody can say what it was, so whatever comes under the key is taken for the same."""
    talk = await begun(scope)
    first = await keyed(scope, talk, said("a secret", "b"))
    assert isinstance(
        await raised_by(keyed(scope, talk, said("another", "b"))), IdempotencyKeyReusedError
    )
    redacted = await scope.messages.redact(first[0].id)
    assert exact(await keyed(scope, talk, said("another", "b"))) == exact((redacted, first[1]))
    assert exact(await keyed(scope, talk, said("a secret", "b"))) == exact((redacted, first[1]))
    assert (await scope.conversations.require(talk.id)).last_sequence == 2


BASE: dict[str, Any] = {
    "text": "a",
    "payload": {"n": 3, "deep": [{"x": 1}]},
    "quick_replies": [QuickReply(title="yes"), QuickReply(title="no")],
    "sender": "ada",
    "analysis": MessageAnalysis(intent="greet", confidence=1.0),
}
OTHER: dict[str, dict[str, Any]] = {
    "text": {"text": "A"},
    "text in another form": {"text": "a\u200b"},
    "type": {"type": "card"},
    "a float for an integer": {"payload": {"n": 3.0, "deep": [{"x": 1}]}},
    "True for 1": {"payload": {"n": 3, "deep": [{"x": True}]}},
    "null for nothing": {"payload": {"n": 3, "deep": [{"x": 1}], "more": None}},
    "order of a list": {"quick_replies": [QuickReply(title="no"), QuickReply(title="yes")]},
    "an attachment": {"attachments": [Attachment(url="https://example.com/a")]},
    "sender": {"sender": "bob"},
    "no sender": {"sender": None},
    "direction": {"direction": "outbound"},
    "channel": {"channel": "sms"},
    "what was understood": {"analysis": MessageAnalysis(intent="greet", confidence=0.0)},
    "what was moderated": {"moderation": Moderation(flagged=False)},
    "a chosen id": {"id": "chosen"},
    "a chosen time": {"at": TIME},
}


@pytest.mark.parametrize("case", OTHER)
@contract
async def test_a_key_that_comes_with_other_content_is_refused(
    scope: TenantScope, case: str
) -> None:
    """Whatever differs, to the letter; the error names the conversation, and nothing is changed."""
    talk = await begun(scope)
    first = await keyed(scope, talk, [*said("before"), Message.draft(**BASE)])
    head = await scope.conversations.require(talk.id)
    other = [*said("before"), Message.draft(**{**BASE, **OTHER[case]})]
    error = await raised_by(keyed(scope, talk, other))
    assert isinstance(error, IdempotencyKeyReusedError)
    assert (error.entity_type, error.entity_id) == ("conversation", talk.id)
    assert exact(await log_of(scope, talk)) == exact(list(first))
    assert exact(await scope.conversations.require(talk.id)) == exact(head)
    again = [*said("before"), Message.draft(**BASE)]
    assert exact(await keyed(scope, talk, again)) == exact(first)


@contract
async def test_a_key_stands_for_all_that_was_appended_under_it(scope: TenantScope) -> None:
    """More drafts, fewer or in another order are another append; so are others run together."""
    talk = await begun(scope)
    await keyed(scope, talk, said("a", "b"))
    for other in (["a"], ["b"], ["a", "b", "c"], ["b", "a"], ["ab"], ["a", "b", "a", "b"]):
        error = await raised_by(keyed(scope, talk, said(*other)))
        assert isinstance(error, IdempotencyKeyReusedError), other
    assert texts(await log_of(scope, talk)) == ["a", "b"]


@contract
async def test_other_chosen_ids_and_times_are_other_content(scope: TenantScope) -> None:
    """As is one that is chosen no more; the same ones are a replay, and no taken id."""
    talk = await begun(scope)
    chosen = said("a", id="one", at=TIME)
    first = await keyed(scope, talk, chosen)
    assert exact(await keyed(scope, talk, chosen)) == exact(first)
    for error in await raised_by_each(
        keyed(scope, talk, said("a", id="two", at=TIME)),
        keyed(scope, talk, said("a", id="one", at=TIME.replace(hour=13))),
        keyed(scope, talk, said("a", id="one")),
        keyed(scope, talk, said("a", at=TIME)),
        keyed(scope, talk, said("a")),
    ):
        assert isinstance(error, IdempotencyKeyReusedError)


@contract
async def test_how_the_same_content_is_written_does_not_matter(scope: TenantScope) -> None:
    """The order of keys in a payload, an enum member's text, what is a default."""
    talk = await begun(scope)
    first = await keyed(scope, talk, [Message.draft("a", payload={"x": 1, "y": [1.5]})])
    same = Message.draft("a", type="text", direction="inbound", payload={"y": (1.5,), "x": 1})
    assert exact(await keyed(scope, talk, [same])) == exact(first)


@contract
async def test_keys_are_compared_to_the_letter(scope: TenantScope) -> None:
    """Case, form and blanks make another key; any text without control characters may be one."""
    talk = await begun(scope)
    keys = ["k", "K", "k ", "ｋ", "é", "e\u0301", "$k", "k.k", "%", "k" * 255, "😀"]
    for key in keys:
        await keyed(scope, talk, said("same"), key)
    for place, key in enumerate(keys, 1):
        assert numbers(await keyed(scope, talk, said("same"), key)) == [place]
    assert (await scope.conversations.require(talk.id)).message_count == len(keys)


@contract
async def test_a_key_is_of_one_conversation_of_one_tenant(backend: Backend) -> None:
    """In another conversation, or a tenant whose conversation has the same id, it is another."""
    one, two = backend.fresh(), backend.fresh()
    talks = [
        (one, await begun(one, "a")),
        (one, await begun(one, "a:b")),
        (two, await begun(two, "a")),
    ]
    for place, (scope, talk) in enumerate(talks):
        (stored,) = await keyed(scope, talk, said(f"text {place}"))
        assert (stored.sequence, stored.text) == (1, f"text {place}")
    # Names that would join alike: `a` and `b:k` against `a:b` and `k`.
    joined = await keyed(one, talks[0][1], said("x"), "b:k")
    assert texts(joined) == ["x"]
    assert texts(await keyed(one, talks[1][1], said("y"), "k")) == ["y"]


@contract
async def test_appends_without_a_key_are_never_the_same(scope: TenantScope) -> None:
    """Equal ones are stored each time."""
    talk = await begun(scope)
    for _ in range(3):
        await say(scope, talk, "same")
    assert texts(await log_of(scope, talk)) == ["same"] * 3


@contract
async def test_an_append_that_failed_leaves_its_key_free(scope: TenantScope) -> None:
    """Whatever it was refused for: the key comes to stand for what succeeds first."""
    append = scope.messages.append
    talk, other = await begun(scope, "one"), await begun(scope)
    await say(scope, other, "x", id="taken")
    for error, kind in zip(
        await raised_by_each(
            append("later", said("no"), idempotency_key=KEY),
            append(talk.id, said("no"), idempotency_key=KEY, expected_sequence=5),
            append(talk.id, said("no", id="taken"), idempotency_key=KEY),
        ),
        (EntityNotFoundError, SequenceConflictError, DuplicateEntityError),
        strict=True,
    ):
        assert type(error) is kind
    assert numbers(await keyed(scope, talk, said("yes"))) == [1]
    assert numbers(await keyed(scope, await begun(scope, "later"), said("yes"))) == [1]


@contract
async def test_a_key_goes_with_its_conversation(scope: TenantScope) -> None:
    """In one created anew under the same id it stands for nothing yet."""
    talk = await begun(scope, "again")
    await keyed(scope, talk, said("before"))
    await scope.conversations.delete(talk.id)
    assert isinstance(await raised_by(keyed(scope, talk, said("before"))), EntityNotFoundError)
    await begun(scope, "again")
    (stored,) = await keyed(scope, talk, said("after"))
    assert (stored.sequence, stored.text) == (1, "after")
