"""What is stored while measuring: conversations and messages as a service has them."""

import gzip
import json
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.content import SHARED_DATA
from bootstrap.interchange.dialogues.records import Dialogue, dialogue_of
from domain.conversations import Channel, Conversation
from domain.identity import Draft, EntryDraft, TenantId
from domain.messages import (
    Direction,
    Generation,
    Message,
    MessageAnalysis,
    RecognizedEntity,
)
from domain.rules import restored

_FLOW = UUID("0190a6f2-7c1e-7d64-9a3b-2f4c5d6e7f80")
_BEGUN = datetime(2024, 5, 1, 9, 30, tzinfo=UTC)
_CHANNELS = tuple(Channel)
_TOPICS = ("an order", "a refund", "an invoice", "a delivery", "an account", "a booking")
_SAID = (
    "Hello, I would like to know where {} is that I asked about last week.",
    "I can look that up for you. Could you tell me the number and the postcode, please?",
    "It is AB-123456, and the postcode should be 10115, if I'm not mistaken.",
    "Thank you! The record says that {} is on its way and should be there by Friday.",
)
_LARGEST = 400
"""Turns of a real dialogue that is taken: a few have thousands, and would be a batch alone."""


def conversation_drafts(count: int) -> Iterator[Draft[Conversation]]:
    """Conversations to store, about 1 kB each."""
    for number in range(count):
        topic = _TOPICS[number % len(_TOPICS)]
        yield Conversation.draft(
            user_id=f"user-{number % 997:04d}@example.org",
            channel=_CHANNELS[number % len(_CHANNELS)],
            channel_metadata={"agent": "Mozilla/5.0 (X11; Linux x86_64)", "locale": "en-GB"},
            session_id=f"session-{number:08d}",
            flow_id=_FLOW,
            flow_version="1.4.0",
            current_state="identify",
            tags=("self-service", f"team-{number % 9}"),
            summary=f"Asked about {topic} that was promised for last Friday; wants to know more.",
            business_context={
                "customer": {"segment": "returning", "since": 2019, "language": "en"},
                "records": [{"number": f"AB-{number:06d}", "state": "open", "amount": 17.5}],
                "consent": True,
            },
        )


def message_drafts(count: int) -> Iterator[EntryDraft[Message]]:
    """Messages to append, what users say (with what was understood) and answers in turn."""
    for number in range(count):
        said = _SAID[number % len(_SAID)].format(_TOPICS[number % len(_TOPICS)])
        if number % 2 == 0:
            yield Message.draft(
                said,
                sender=f"user-{number % 997:04d}@example.org",
                channel=Channel.WEB,
                payload={"client": {"message": f"m-{number}", "typed_ms": 4200 + number}},
                analysis=MessageAnalysis(
                    intent="check_status",
                    confidence=0.87,
                    entities=(
                        RecognizedEntity(
                            type="day", value="Friday", confidence=0.7, start=3, end=9
                        ),
                    ),
                    language="en",
                ),
            )
        else:
            yield Message.draft(
                said,
                direction=Direction.OUTBOUND,
                generation=Generation(
                    model="small-2", provider="own", prompt_tokens=712, completion_tokens=38
                ),
            )


def dialogues(tenant: TenantId, messages: int) -> list[Dialogue]:
    """Whole dialogues of about so many messages together: real ones, as far as there are."""
    found: list[Dialogue] = []
    for record in _records():
        if messages <= 0:
            break
        if len(record["turns"]) <= _LARGEST:
            found.append(dialogue_of(record, tenant=tenant, at=_BEGUN))
            messages -= len(record["turns"])
    return found


def under(tenant: TenantId, whole: Sequence[Dialogue]) -> list[Dialogue]:
    """The same dialogues, of another tenant."""

    def moved(entity: Any) -> Any:
        return restored(type(entity), {**vars(entity), "tenant_id": tenant})

    return [Dialogue(moved(one.conversation), tuple(map(moved, one.messages))) for one in whole]


def _records() -> Iterator[dict[str, Any]]:
    beside = Path(__file__).parents[2] / "shared" / "data"
    file = Path(os.environ.get(SHARED_DATA) or beside) / "dialogues.jsonl.gz"
    if file.is_file():
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)
    yield from map(_made_up, range(1_000))


def _made_up(number: int) -> dict[str, Any]:
    turns = [
        {
            "i": index,
            "speaker": ("USER", "SYSTEM")[index % 2],
            "role": ("user", "assistant")[index % 2],
            "text": _SAID[index % len(_SAID)].format(_TOPICS[number % len(_TOPICS)]),
            "ts": 1_714_555_800 + 20 * index,
            "annotations": {"frames": [{"service": "records", "slots": {"number": "AB-1"}}]},
        }
        for index in range(16 + number % 9)
    ]
    return {"id": f"made-up/{number:06d}", "language": "en", "meta": {"n": number}, "turns": turns}
