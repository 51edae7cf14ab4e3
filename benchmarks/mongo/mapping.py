"""Rows of the mapping: documents of conversations and messages, there and back, without a store."""

from collections.abc import Callable, Sequence
from typing import Any

from bson import decode, encode

from adapters.memory.store import MemoryDialogueStore
from adapters.mongo.collections import CONVERSATIONS, MESSAGES
from adapters.mongo.documents import DocumentMapper
from adapters.mongo.values import CODEC_OPTIONS
from benchmarks import handwritten_dialogues
from benchmarks.dialogues import conversation_drafts, message_drafts
from benchmarks.figures import Figure
from benchmarks.measuring import Contender, in_turns, synchronous
from benchmarks.scale import Scale
from domain.identity import tenant_id

GOAL = 1.6
_HAND = "a hand-written function"
_NUMBER = 20
_One = Callable[[Any], Any]


async def stored() -> tuple[Sequence[Any], Sequence[Any]]:
    """Conversations and messages as they are once they are stored."""
    mine = MemoryDialogueStore().repositories(tenant_id("bench"))
    conversations = await mine.conversations.create_many(conversation_drafts(_NUMBER))
    messages = await mine.messages.append(conversations[0].id, message_drafts(_NUMBER))
    return conversations, messages


def as_read(document: dict[str, Any]) -> dict[str, Any]:
    """A document as a driver gives it back."""
    return decode(encode(document, codec_options=CODEC_OPTIONS), codec_options=CODEC_OPTIONS)


async def rows(scale: Scale) -> list[Figure]:
    """Structure and unstructure, of each."""
    conversations, messages = await stored()
    by_hand = handwritten_dialogues
    figures = []
    kinds: Sequence[tuple[str, Sequence[Any], DocumentMapper[Any], _One, _One]] = (
        (
            "conversation",
            conversations,
            CONVERSATIONS.mapper,
            by_hand.conversation,
            by_hand.conversation_document,
        ),
        ("message", messages, MESSAGES.mapper, by_hand.message, by_hand.message_document),
    )
    for name, entities, mapper, structure, unstructure in kinds:
        documents = [as_read(mapper.document(entity)) for entity in entities]
        works: Sequence[tuple[str, _One, _One, Sequence[Any]]] = (
            ("structure", mapper.restored, structure, documents),
            ("unstructure", mapper.document, unstructure, entities),
        )
        for work, ours, hand, items in works:
            assert [ours(item) for item in items] == [hand(item) for item in items]
            figures.append(await _compared(scale, f"{work} a {name}", ours, hand, items))
    return figures


async def _compared(
    scale: Scale,
    name: str,
    ours: _One,
    hand: _One,
    items: Sequence[Any],
) -> Figure:
    def all_by(one: _One) -> Callable[[], object]:
        return lambda: [one(item) for item in items]

    times = scale.operations(20)
    contenders = [
        Contender(name=called, operations=times * len(items), work=synchronous(all_by(one), times))
        for called, one in (("ours", ours), ("hand", hand), ("again", hand))
    ]
    rounds = await in_turns(contenders, scale.rounds)
    return Figure.of(
        rounds,
        name=f"documents: {name}",
        of="ours",
        to="hand",
        against=_HAND,
        goal=GOAL,
        noise=("again", "hand"),
    )
