"""Import and export of dialogues: what comes in, what is refused, what comes out."""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import IO, Any

import pytest

import bootstrap
from adapters.memory import ManualClock, MemoryDialogueStore
from adapters.memory.store import MemoryDialogue
from bootstrap import Settings
from bootstrap.interchange import ImportReport, export_dialogues, import_dialogues
from bootstrap.interchange.dialogues import Dialogue, dialogue_of, record_of
from bootstrap.interchange.dialogues.exporting import PAGE_MESSAGES
from bootstrap.interchange.lines import RefusedError
from domain.conversations import Channel, Conversation
from domain.identity import TenantId
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
from tests.bootstrap.running import run

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SPOKEN = 1_500_000_000


def turn(i: int = 0, **fields: Any) -> dict[str, Any]:
    """A turn that nothing is wrong with."""
    return {
        "i": i,
        "speaker": "USER",
        "role": "user",
        "text": "Where is my order?",
        "ts": SPOKEN + i,
        "annotations": {"intent": "order.status", "$x": {"": [1, 1.0, None]}},
        **fields,
    }


def record(id: object = "one", *turns: object, **fields: Any) -> dict[str, Any]:
    """A record that nothing is wrong with."""
    return {
        "id": id,
        "source": "elsewhere",
        "license": "MIT",
        "language": "en",
        "source_file": "a/b.json",
        "source_id": 7,
        "meta": {"a.b": {"$": 3.0}},
        **fields,
        "turns": list(turns),
    }


def lines(*records: object) -> IO[bytes]:
    """A file: bytes as they are, anything else as JSON."""
    return BytesIO(
        b"".join(
            (one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in records
        )
    )


async def exported(scope: TenantScope) -> dict[str, dict[str, Any]]:
    """What an export writes, by id, in its order."""
    file = BytesIO()
    count = await export_dialogues(scope, file)
    written = [json.loads(line) for line in file.getvalue().split(b"\n") if line]
    assert count == len(written)
    return {one["id"]: one for one in written}


async def imported(scope: TenantScope, *records: object) -> ImportReport:
    return await import_dialogues(scope, lines(*records), at=NOW)


def made_of(record: dict[str, Any]) -> Dialogue:
    return dialogue_of(record, tenant=TenantId("acme"), at=NOW)


def text_of(value: object) -> str:
    """JSON to the letter, whatever the order of keys: 1, 1.0 and true differ."""
    return json.dumps(value, sort_keys=True)


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


@run
async def test_other_content_under_a_stored_id_is_refused_and_changes_nothing() -> None:
    """Not even where Python would call it equal: 3.0 for 3, true for 1."""
    first = record("a", turn(0, annotations={"x": 1}), meta={"y": 3})
    others = [
        record("a", turn(0, annotations={"x": 1.0}), meta={"y": 3}),
        record("a", turn(0, annotations={"x": True}), meta={"y": 3}),
        record("a", turn(0, annotations={"x": 1}), meta={"y": 3.0}),
        record("a", turn(0, annotations={"x": 1}, text="other"), meta={"y": 3}),
        record("a", turn(0, annotations={"x": 1}), turn(1), meta={"y": 3}),
        record("a", meta={"y": 3}),
        first | {"license": "GPL"},
        first | {"channel": "sms"},
    ]
    async with bootstrap.open(Settings.memory()) as platform:
        scope = platform.for_tenant("acme")
        await imported(scope, first)
        report = await imported(scope, *others, first)
        assert (report.imported, report.unchanged) == (0, 1)
        assert [refusal.line for refusal in report.refused] == list(range(1, len(others) + 1))
        assert {refusal.reason for refusal in report.refused} == {
            "a conversation of this id is stored with other content; it was left as it is"
        }
        assert await exported(scope) == {"a": first}


def without(name: str, **fields: Any) -> dict[str, Any]:
    return {key: value for key, value in record("x", **fields).items() if key != name}


def own(**fields: Any) -> dict[str, Any]:
    return record("x", turn(), dialogbase=fields)


def own_turn(**fields: Any) -> dict[str, Any]:
    return record("x", turn(dialogbase=fields))


REFUSED: Iterable[tuple[object, str]] = [
    (b"{", "is not JSON"),
    (b"[1]", "is not a JSON object"),
    (b'{"id": "a", "id": "b", "turns": []}', "has the key 'id' twice"),
    ({}, "has no id and no turns"),
    (without("turns"), "has no turns"),
    (record(7), "id: must be text"),
    (record(""), "id: must have 1 to 128 characters"),
    (record("i" * 129), "id: must have 1 to 128 characters"),
    (record("a\nb"), "id: holds a control character"),
    (record("x") | {"turns": {}}, "turns: must be a list"),
    (record("x", turn(), None), "turns[1]: must be an object"),
    (record("x", {"text": "x"}), "turns[0].role: is missing; there are user, participant"),
    (record("x", turn(role="bot")), "turns[0].role: must be one of user, participant"),
    (record("x", turn(role=["user"])), "turns[0].role: must be one of"),
    (record("x", turn(text=7)), "turns[0].text: must be text"),
    (record("x", turn(), turn(text="x" * 16_385)), "turns[1].text: must have 0 to 16384"),
    (record("x", turn(text="a\x00")), "turns[0].text: holds a NUL character"),
    (record("x", turn(text="\ud800")), "turns[0].text: holds a lone surrogate"),
    (record("x", turn(speaker="s" * 257)), "turns[0].sender: must have 1 to 256"),
    (record("x", turn(speaker=7)), "turns[0].sender: must be text"),
    (record("x", turn(ts="noon")), "turns[0].ts: must be a number of seconds"),
    (record("x", turn(ts=True)), "turns[0].ts: must be a number of seconds"),
    (record("x", turn(ts=1_500_000_000_000)), "turns[0].ts: lies outside the years 1 to 9999"),
    (b'{"id": "x", "turns": [{"role": "user", "ts": 1e999}]}', "turns[0].ts: lies outside"),
    (record("x", turn(annotations={"a": "y" * 1_100_000})), "turns[0].payload: is larger than"),
    (record("x", turn(annotations={"a": 2**63})), "turns[0].payload.a: is an integer beyond"),
    (record("x", turn(other=2**63)), 'turns[0].payload["dialogbase.turn"].other: is an integer'),
    (record("x", turn(annotations={"dialogbase.turn": 1})), "is reserved"),
    (record("x", meta={"m": "y" * 1_100_000}), "business_context: is larger than"),
    (record("x", user_id=""), "user_id: must have 1 to 256 characters"),
    (record("x", channel="pigeon"), "channel: must be one of web, whatsapp"),
    (record("x", dialogbase=[]), "dialogbase: must be an object"),
    (own(id="y"), "dialogbase.id: is not a known field"),
    (own(last_sequence=9), "dialogbase.last_sequence: is not a known field"),
    (own(status="over"), "dialogbase.status: must be one of"),
    (own(started_at="noon"), "dialogbase.started_at: must be a time"),
    (own(started_at="2025-01-01T00:00:00"), "dialogbase.started_at: must have a time zone"),
    (own(started_at=None), "dialogbase.started_at: must be a time"),
    (own(status="active", completed_at="2025-01-01T00:00:00Z"), "completed_at: is set, and the"),
    (own(flow_id="x"), "dialogbase.flow_id: must be a UUID"),
    (own(tags="abc"), "tags: must be a list"),
    (own(state_history=[{"state": "a"}]), "dialogbase.state_history[0].at: is missing"),
    (own(business_context=[]), "dialogbase.business_context: must be an object"),
    (own(business_context={"dialogbase.record": {}}), "is reserved"),
    (own_turn(nonsense=1), "turns[0].dialogbase.nonsense: is not a known field"),
    (own_turn(analysis={"sentiment": 2}), "turns[0].dialogbase.analysis.sentiment: must lie"),
    (own_turn(attachments=[{}]), "turns[0].dialogbase.attachments[0].url: is missing"),
    (own_turn(analysis=7), "turns[0].dialogbase.analysis: must be an object"),
    (own_turn(deleted_at="2025-01-01T00:00:00Z"), "type: is redacted, and there is content"),
    (own_turn(id="x" * 129), "turns[0].id: must have 1 to 128 characters"),
    (record("x", *(turn(role=0) for _ in range(9))), "and 4 more"),
]


@pytest.mark.parametrize(("one", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
@run
async def test_a_record_that_cannot_be_kept_is_refused_whole(one: object, reason: str) -> None:
    """With its line and the reason; what stands before and after it comes in."""
    async with bootstrap.open(Settings.memory()) as platform:
        scope = platform.for_tenant("acme")
        report = await imported(scope, record("before", turn()), one, b" ", record("after"))
        assert (report.imported, len(report.refused)) == (2, 1)
        assert report.refused[0].line == 2
        assert reason in report.refused[0].reason
        assert set(await exported(scope)) == {"before", "after"}


def test_what_a_text_may_hold_at_most_is_kept_whole() -> None:
    """One character more is refused, above."""
    text = "好" * 16_384
    assert made_of(record("x", turn(text=text))).messages[0].text == text


@run
async def test_a_message_s_id_that_is_taken_refuses_that_record_alone() -> None:
    """And not the others of its batch."""
    async with bootstrap.open(Settings.memory()) as platform:
        scope = platform.for_tenant("acme")
        await imported(scope, record("first", turn(dialogbase={"id": "m"})))
        others = [record(str(n), turn()) for n in range(5)]
        report = await imported(
            scope, *others[:3], record("second", turn(dialogbase={"id": "m"})), *others[3:]
        )
        assert report.imported == 5
        (refused,) = report.refused
        assert refused.line == 4
        assert "message" in refused.reason


@pytest.mark.parametrize("stored", range(0, 260, 37))
@run
async def test_an_import_that_ended_anywhere_is_completed_with_the_same_result(stored: int) -> None:
    """Batches fall elsewhere then, and it makes no difference."""
    records = [record(str(n % 250), *(turn(i) for i in range(n % 7))) for n in range(260)]
    async with bootstrap.open(Settings.memory()) as platform:
        whole, resumed = platform.for_tenant("whole"), platform.for_tenant("resumed")
        expected = await imported(whole, *records)
        await imported(resumed, *records[:stored])
        report = await imported(resumed, *records)
        assert report.imported + report.unchanged == expected.imported + expected.unchanged
        assert report.refused == expected.refused != ()
        assert await exported(resumed) == await exported(whole)


class _Raced(MemoryDialogueStore):
    """A store whose first unit of work is begun when another importer has just stored the same."""

    other: bytes = b""

    @asynccontextmanager
    async def unit(self, tenant: TenantId) -> AsyncIterator[MemoryDialogue]:
        if self.other:
            file, self.other = BytesIO(self.other), b""
            await import_dialogues(TenantScope(tenant, dialogue=self.sibling()), file, at=NOW)
        async with super().unit(tenant) as work:
            yield work


@run
async def test_of_two_imports_at_once_each_counts_what_the_other_stored() -> None:
    """Nothing is stored twice, or lost with its batch; other content is told."""
    records = [record(str(n), turn(), turn(1)) for n in range(9)]
    other = lines(*records[2:5], record("5", turn(text="other"))).read()
    store = _Raced()
    store.other = other
    async with bootstrap.open(Settings.memory(), dialogue=store) as platform:
        scope = platform.for_tenant("acme")
        report = await imported(scope, *records)
        assert (report.imported, report.unchanged) == (5, 3)
        assert [refusal.line for refusal in report.refused] == [6]
        assert len(await exported(scope)) == 9


def test_a_record_is_rendered_as_it_is_written() -> None:
    """In memory or on the way into a file."""
    one = record("x", turn(), turn(1, ts=None), user_id="ada")
    assert text_of(record_of(made_of(one))) == text_of(one)


def test_a_refusal_is_a_value_error() -> None:
    """As for flows."""
    with pytest.raises(RefusedError, match="has no id"):
        made_of({})
