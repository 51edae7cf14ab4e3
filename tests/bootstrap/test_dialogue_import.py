"""Importing dialogues: what is refused, and what comes of doing it again or twice at once."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

import pytest

import bootstrap
from adapters.memory import MemoryDialogueStore
from adapters.memory.store import MemoryDialogue
from bootstrap import Settings
from bootstrap.interchange import import_dialogues
from domain.identity import NOBODY, Author, TenantId
from ports.stores import TenantScope
from tests.bootstrap.dialogues import NOW, exported, imported, lines, made_of, record, turn
from tests.bootstrap.running import run


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
    (record("x", None, turn(role=0), dialogbase={"a": 1}), "dialogbase.a: is not a known field; "),
    (record("x", None, turn(role=0)), "turns[0]: must be an object; turns[1].role: must be one"),
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
    async def unit(
        self, tenant: TenantId, author: Author = NOBODY
    ) -> AsyncIterator[MemoryDialogue]:
        if self.other:
            file, self.other = BytesIO(self.other), b""
            await import_dialogues(TenantScope(tenant, dialogue=self.sibling()), file, at=NOW)
        async with super().unit(tenant, author) as work:
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
