"""Dialogues as records: what comes out is what went in, and what was made here."""

from datetime import UTC, datetime, timedelta

import pytest

import bootstrap
from adapters.memory import ManualClock
from bootstrap import Settings
from bootstrap.interchange import ImportReport
from bootstrap.interchange.dialogues.exporting import PAGE_MESSAGES
from domain.conversations import Channel, Conversation
from domain.messages import (
    Attachment,
    ContentType,
    Direction,
    Generation,
    Message,
    MessageAnalysis,
    Moderation,
    QuickReply,
    RecognizedEntity,
)
from ports.stores import TenantScope
from tests.bootstrap.dialogues import (
    NOW,
    SPOKEN,
    exported,
    imported,
    made_of,
    record,
    text_of,
    turn,
)
from tests.bootstrap.running import run

AS_THEY_ARE = [
    record("empty"),
    record("bare turns", {"role": "user"}, {"role": "tool", "text": "x", "ts": 5}),
    {"id": "bare", "turns": []},
    record(
        "roles",
        *(
            turn(i, role=role)
            for i, role in enumerate(("user", "assistant", "system", "tool", "participant"))
        ),
    ),
    record("texts", turn(0, text=None), turn(1, text=""), turn(2, text=" \ufeff\x08\x7f\u202e好 ")),
    record(
        "times", *(turn(i, ts=ts) for i, ts in enumerate((None, 9, None, 9, 3, -1.5, 1e9, 0.0)))
    ),
    record("no times", turn(0, ts=None), turn(1, ts=None)),
    record("finer than a millisecond", turn(0, ts=1500000000.123456), turn(1, ts=1500000000.125)),
    record("places", *(turn() | {"i": i} for i in (7, 0.0, True, None, "4"))),
    record("speakers", turn(0, speaker=None), turn(1, speaker=""), turn(2, speaker="甲")),
    record("notes", turn(0, annotations=None), turn(1, annotations=[1.0]), turn(2, annotations={})),
    record("more", turn(0, confidence=1, emotion={"joy": 1.0}), extra=[1, True], meta=None),
    record("who and where", turn(), user_id="ada", channel="voice"),
    record("as by default", turn(), user_id="as by default", channel="api"),
    record("nobody", turn(), user_id=None, channel=None),
]


@run
async def test_what_was_imported_is_exported_as_it_was() -> None:
    """Nulls, missing fields, unknown fields, numbers to the letter."""
    async with bootstrap.open(Settings.memory()) as platform:
        scope = platform.for_tenant("acme")
        assert await imported(scope, *AS_THEY_ARE) == ImportReport(len(AS_THEY_ARE), 0, ())
        came_back = await exported(scope)
    assert {id: text_of(one) for id, one in came_back.items()} == {
        one["id"]: text_of(one) for one in AS_THEY_ARE
    }


def test_a_dialogue_becomes_a_completed_conversation_with_its_messages() -> None:
    """Read as anybody would read it."""
    dialogue = made_of(
        record(
            "one",
            turn(0, ts=None),
            turn(1, role="assistant", speaker="Bot", text=None),
            turn(2, role="tool", ts=None),
        )
    )
    began = datetime.fromtimestamp(SPOKEN + 1, UTC)
    talk = dialogue.conversation
    assert (talk.id, talk.user_id, talk.channel) == ("one", "one", Channel.API)
    assert (talk.status, talk.last_sequence, talk.message_count) == ("completed", 3, 3)
    assert {talk.started_at, talk.last_activity_at, talk.completed_at} == {began}
    assert (talk.created_at, talk.updated_at, talk.revision) == (NOW, NOW, 1)
    others = {name: value for name, value in record().items() if name not in ("id", "turns")}
    assert talk.business_context == {"dialogbase.record": others}
    directions = [message.direction for message in dialogue.messages]
    assert directions == [Direction.INBOUND, Direction.OUTBOUND, Direction.SYSTEM]
    kinds = [message.content.type for message in dialogue.messages]
    assert kinds == [ContentType.TEXT, ContentType.EVENT, ContentType.TEXT]
    assert [message.sequence for message in dialogue.messages] == [1, 2, 3]
    assert [message.sender for message in dialogue.messages] == ["USER", "Bot", "USER"]
    assert {message.at for message in dialogue.messages} == {began}
    assert dialogue.messages[1].content.payload == turn()["annotations"]


def test_a_dialogue_without_times_took_place_when_it_came_in() -> None:
    """Nothing better is known."""
    dialogue = made_of(record("one", turn(0, ts=None), turn(1, ts=None)))
    assert dialogue.conversation.started_at == NOW
    assert {message.at for message in dialogue.messages} == {NOW}


def test_the_ids_of_messages_are_the_same_for_ever() -> None:
    """A change here would make other messages of the same file."""
    dialogue = made_of(record("one", turn(), turn(1)))
    assert [message.id for message in dialogue.messages] == [
        "767bb369-7651-5aa4-bfbd-51f4fa54368a",
        "ea2029cd-0cb1-54bd-9125-2008e0433a98",
    ]


async def live(scope: TenantScope) -> None:
    """Conversations that were had here, of every kind."""
    conversations, messages = scope.conversations, scope.messages
    await conversations.create(
        Conversation.draft(
            id="rich",
            user_id="ada",
            channel="whatsapp",
            channel_metadata={"phone": "+1"},
            session_id="s-1",
            flow_version="1.0",
            tags=["vip", "beta"],
            summary="About an order.",
            business_context={"order": 7},
            retain_until=NOW + timedelta(days=30),
        )
    )
    await conversations.enter_state("rich", "greet")
    await messages.append(
        "rich",
        [
            Message.draft(
                "Where is my order?",
                sender="ada",
                channel="whatsapp",
                analysis=MessageAnalysis(
                    intent="order",
                    confidence=0.5,
                    entities=(RecognizedEntity(type="thing", value="order", start=12, end=17),),
                ),
            ),
            Message.draft(direction="system", payload={"looked": {"up": 1.0}}),
        ],
        idempotency_key="first",
    )
    await messages.append(
        "rich",
        [
            Message.draft(
                "Here",
                direction="outbound",
                type="card",
                attachments=[Attachment(url="https://shop.example/1", size_bytes=3)],
                quick_replies=[QuickReply(title="Thanks", payload="thanks")],
                generation=Generation(model="m", prompt_tokens=9),
                moderation=Moderation(flagged=False, categories=("none",)),
                at=NOW - timedelta(milliseconds=1),
                id="chosen",
            ),
            Message.draft("My card is 4111…"),
        ],
    )
    await messages.redact((await messages.latest("rich", 1))[0].id)
    await conversations.create(Conversation.draft(id="silent", user_id="silent", channel="api"))
    await conversations.create(Conversation.draft(id="closed", user_id="bob"))
    await messages.append("closed", [Message.draft("Bye")])
    await conversations.transition("closed", "abandoned", reason="left")
    await conversations.transition("closed", "archived")


@run
async def test_a_live_conversation_imported_elsewhere_is_equal() -> None:
    """Status, times, ids, analysis, attachments, what was redacted."""
    clock = ManualClock(NOW)
    async with bootstrap.open(Settings.memory(), clock=clock) as platform:
        here, there = platform.for_tenant("here"), platform.for_tenant("there")
        await live(here)
        clock.advance(timedelta(days=1))
        written = await exported(here)
        assert (await imported(there, *written.values())).imported == len(written) == 3
        assert await exported(there) == written
        for id in written:
            one, other = await here.conversations.require(id), await there.conversations.require(id)
            assert other.business_context == {
                **one.business_context,
                "dialogbase.record": {},
            }
            ignored = {"tenant_id", "business_context", "created_at", "updated_at", "revision"}
            assert {k: v for k, v in vars(one).items() if k not in ignored} == {
                k: v for k, v in vars(other).items() if k not in ignored
            }
            messages = [message async for message in here.messages.stream_history(id)]
            copies = [message async for message in there.messages.stream_history(id)]
            assert [vars(message) | {"tenant_id": "there"} for message in messages] == [
                vars(message) for message in copies
            ]
        more = await there.messages.append("rich", [Message.draft("Still here")])
        assert more[0].sequence == 5


@run
async def test_what_is_here_already_is_unchanged_when_its_export_comes_back() -> None:
    """Of live conversations, too."""
    async with bootstrap.open(Settings.memory()) as platform:
        scope = platform.for_tenant("acme")
        await live(scope)
        await imported(scope, *AS_THEY_ARE)
        written = await exported(scope)
        assert await imported(scope, *written.values()) == ImportReport(0, len(written), ())


@run
async def test_what_became_of_an_imported_conversation_is_exported() -> None:
    """Under `dialogbase`; what was redacted is gone."""
    async with bootstrap.open(Settings.memory()) as platform:
        scope = platform.for_tenant("acme")
        original = record("one", turn(0), turn(1, role="tool", note="x", ts=None), user_id="ada")
        await imported(scope, original)
        before, after = [one async for one in scope.messages.stream_history("one")]
        await scope.messages.annotate(before.id, analysis=MessageAnalysis(intent="order"))
        await scope.messages.redact(after.id)
        await scope.conversations.transition("one", "archived", reason="old")
        await scope.conversations.patch("one", user_id="nobody", summary="Short")
        (came,) = (await exported(scope)).values()
    first, second = came["turns"]
    assert first == turn(0) | {"dialogbase": {"analysis": {"intent": "order"}}}
    assert second.pop("dialogbase")["deleted_at"]
    assert second == turn(1, role="system", text=None, ts=SPOKEN, annotations={})
    assert came["user_id"] == "nobody"
    assert "ada" not in text_of(came)
    own = {"status": "archived", "status_reason": "old", "summary": "Short"}
    assert came["dialogbase"] == own


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, PAGE_MESSAGES, PAGE_MESSAGES + 1, 2_500])
@run
async def test_a_dialogue_of_any_length_comes_back(count: int) -> None:
    """Beside others, read together or by itself."""
    async with bootstrap.open(Settings.memory()) as platform:
        scope = platform.for_tenant("acme")
        records = [
            record("before", turn(0)),
            record("long", *(turn(i, text=f"{i}") for i in range(count))),
            record("after", turn(5)),
        ]
        assert (await imported(scope, *records)).imported == 3
        assert await exported(scope) == {one["id"]: one for one in records}


@run
async def test_dialogues_are_exported_in_the_order_in_which_they_started() -> None:
    """Those without times in the order of their file."""
    async with bootstrap.open(Settings.memory()) as platform:
        scope = platform.for_tenant("acme")
        undated = [record(f"{n}") for n in range(20, 0, -1)]
        await imported(scope, record("late", turn(ts=9)), *undated, record("soon", turn(ts=1)))
        assert list(await exported(scope)) == ["soon", "late", *(one["id"] for one in undated)]
