"""Messages as the domain admits them: contents, what was understood, drafts and whole ones."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from domain.conversations import Channel
from domain.identity import EntryDraft, TenantId
from domain.messages import (
    MAX_TEXT,
    Attachment,
    ContentType,
    Direction,
    Generation,
    Message,
    MessageAnalysis,
    MessageContent,
    Moderation,
    QuickReply,
    RecognizedEntity,
)
from ports.contracts.strategies import FLOATS, INSTANTS, identifiers, json_objects, text

COUNTS = st.sampled_from([0, 1, 2**31, 2**53 + 1, 2**63 - 1])
SHARES = st.sampled_from([0.0, -0.0, 1.0, 0.5, 5e-324, 0.1 + 0.2]) | st.floats(0, 1)
SENTIMENTS = st.sampled_from([-1.0, 1.0, -0.0, -5e-324]) | st.floats(-1, 1)


def _perhaps(found: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return st.none() | found


def _few(found: SearchStrategy[Any]) -> SearchStrategy[tuple[Any, ...]]:
    return st.lists(found, max_size=2).map(tuple)


ATTACHMENTS = st.builds(
    Attachment,
    url=text(2_048, 1),
    media_type=_perhaps(text(255)),
    name=_perhaps(text(255)),
    size_bytes=_perhaps(COUNTS),
)
QUICK_REPLIES = st.builds(QuickReply, title=text(256, 1), payload=_perhaps(text(1_024)))
_SHOWN = [kind for kind in ContentType if kind not in (ContentType.TEXT, ContentType.REDACTED)]


def _contents(kinds: Sequence[ContentType], words: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return st.builds(
        MessageContent,
        type=st.sampled_from(kinds),
        text=words,
        payload=json_objects(),
        attachments=_few(ATTACHMENTS),
        quick_replies=_few(QUICK_REPLIES),
    )


CONTENTS: SearchStrategy[MessageContent] = st.one_of(
    _contents([ContentType.TEXT], text(MAX_TEXT)),
    _contents(_SHOWN, _perhaps(text(MAX_TEXT))),
    st.builds(MessageContent, text=text(40)),
)
"""What may be said or shown; nothing that was redacted."""

ENTITIES = st.builds(
    RecognizedEntity,
    type=text(100, 1),
    value=text(1_000),
    confidence=_perhaps(SHARES),
    start=_perhaps(st.sampled_from([0, 3])),
    end=_perhaps(st.sampled_from([3, MAX_TEXT])),
)
INTENTS = st.sampled_from(["greet", "Greet", "greet ", "$greet", "%", "é", "e\u0301"])
ANALYSES = st.builds(
    MessageAnalysis,
    intent=_perhaps(INTENTS | text(200, 1)),
    confidence=_perhaps(SHARES),
    entities=_few(ENTITIES),
    sentiment=_perhaps(SENTIMENTS),
    language=_perhaps(st.sampled_from(["en", "zh-Hans-CN", "x" * 35])),
)
GENERATIONS = st.builds(
    Generation,
    model=text(200, 1),
    provider=_perhaps(text(100)),
    prompt_tokens=_perhaps(COUNTS),
    completion_tokens=_perhaps(COUNTS),
    duration_ms=_perhaps(COUNTS),
    finish_reason=_perhaps(text(100)),
    metadata=json_objects(),
)
MODERATIONS = st.builds(
    Moderation,
    flagged=st.booleans(),
    categories=_few(text(100, 1)),
    action=_perhaps(text(100)),
    metadata=json_objects(),
)
SENDERS = _perhaps(identifiers(256))
CHANNELS = _perhaps(st.sampled_from(Channel))

PARTS: dict[str, SearchStrategy[Any]] = {
    "analysis": _perhaps(ANALYSES),
    "generation": _perhaps(GENERATIONS),
    "moderation": _perhaps(MODERATIONS),
}
"""What may become known of a message later."""


def drafts() -> SearchStrategy[EntryDraft[Message]]:
    """Drafts of every shape; most leave id and time to the store."""
    return st.builds(
        Message.draft,
        content=CONTENTS,
        direction=st.sampled_from(Direction),
        sender=SENDERS,
        channel=CHANNELS,
        at=_perhaps(INSTANTS),
        **PARTS,
    )


def whole(tenant: TenantId, conversation_id: str) -> SearchStrategy[list[Message]]:
    """Logs as an export holds them: numbered from 1, some of their entries redacted."""
    one = st.builds(
        Message,
        id=st.just("unique"),
        tenant_id=st.just(tenant),
        conversation_id=st.just(conversation_id),
        sequence=st.just(1),
        direction=st.sampled_from(Direction),
        sender=SENDERS,
        content=CONTENTS,
        channel=CHANNELS,
        at=INSTANTS,
        idempotency_key=_perhaps(identifiers(255)),
        **PARTS,
    )
    either = st.tuples(one, _perhaps(INSTANTS)).map(
        lambda made: made[0] if made[1] is None else made[0].redacted(at=made[1])
    )
    ids = st.lists(identifiers(128), min_size=4, max_size=4, unique=True)
    return st.tuples(st.lists(either, min_size=1, max_size=4), ids).map(
        lambda made: [
            attrs.evolve(message, id=id, sequence=number)
            for number, (message, id) in enumerate(zip(*made, strict=False), 1)
        ]
    )


_FEW_TEXTS = ["a", "B b", "b-a", "ß", "é", "é", "%", "$x", "", "hello World", "订酒店"]
_FEW_TIMES = [datetime(2024, 2, 29, 12, 0, second, tzinfo=UTC) for second in range(3)]


def alike() -> SearchStrategy[EntryDraft[Message]]:
    """Drafts of few different values, so that criteria and orders tell some of them apart."""
    return st.builds(
        Message.draft,
        content=st.one_of(
            st.builds(MessageContent, text=st.sampled_from(_FEW_TEXTS)),
            st.builds(
                MessageContent,
                type=st.sampled_from([ContentType.IMAGE, ContentType.EVENT]),
                text=_perhaps(st.sampled_from(_FEW_TEXTS)),
            ),
        ),
        direction=st.sampled_from(Direction),
        sender=_perhaps(st.sampled_from(["ada", "Ada", "%"])),
        channel=_perhaps(st.sampled_from([Channel.WEB, Channel.SMS])),
        at=_perhaps(st.sampled_from(_FEW_TIMES)),
        analysis=_perhaps(
            st.builds(
                MessageAnalysis,
                intent=_perhaps(INTENTS),
                confidence=_perhaps(st.sampled_from([0.0, 0.5, 1.0]) | FLOATS.filter(_is_share)),
            )
        ),
    )


def _is_share(value: float) -> bool:
    return 0 <= value <= 1
