"""Rows of reading: one conversation, pages of them, and pages of what was said."""

from collections.abc import Callable, Sequence
from itertools import count, cycle, islice
from typing import Any

from adapters.mongo.collections import CONVERSATIONS, MESSAGES
from benchmarks.dialogues import conversation_drafts, message_drafts
from benchmarks.figures import Figure
from benchmarks.measuring import One, in_turns
from benchmarks.mongo.bare import open_bare
from benchmarks.mongo.comparing import (
    AGAIN,
    GOAL_PEER_PAGE,
    Row,
    Way,
    measured,
)
from benchmarks.mongo.place import CONNECTIONS, Place
from benchmarks.scale import Scale

_TENANT = "readers"
_STORED = 500
_SAID = 2_000
_PAGE = 50
_AT_ONCE = 500
_STARTED = [("started_at", -1), ("_id", -1)]


async def fill(place: Place) -> list[str]:
    """What is read; filled once, for all drivers. The first conversation is the long one."""
    mine = place.of(_TENANT)
    stored = await place.bare.stored(_TENANT, place.bare.conversations)
    if stored:
        return [document["_id"].partition("!")[2] for document in stored]
    made = await mine.conversations.create_many(conversation_drafts(_STORED))
    ids = sorted(conversation.id for conversation in made)
    for _ in range(_SAID // _AT_ONCE):
        await mine.messages.append(ids[0], message_drafts(_AT_ONCE))
    return ids


def key_of(id: str) -> str:
    """A conversation's key."""
    return CONVERSATIONS.mapper.key(_TENANT, id)


def _reading(one: One, items: Sequence[Any]) -> Callable[[], Way]:
    def way() -> Way:
        turn = cycle(items)
        return Way(lambda operations: list(islice(turn, operations)), one)

    return way


async def noise(place: Place, scale: Scale) -> list[Figure]:
    """A/A: the bare driver against itself, with two clients."""
    ids = await fill(place)
    other = open_bare(place.url, place.driver, CONNECTIONS)

    def getting(collection: Any) -> Callable[[], Way]:
        async def get(id: str) -> Any:
            return await collection.find_one({"_id": key_of(id)}, CONVERSATIONS.shown)

        return _reading(get, ids)

    operations = scale.operations(25)
    ways = {
        place.bare_name: getting(place.bare.conversations),
        AGAIN: getting(other.conversations),
    }
    contenders = [way().contender(name, operations, 1) for name, way in ways.items()]
    try:
        rounds = await in_turns(contenders, scale.rounds)
    finally:
        await other.close()
    return [
        Figure.of(
            rounds,
            name=f"{place.driver}: A/A get",
            of=AGAIN,
            to=place.bare_name,
            against=f"{place.bare_name}, a second client",
            noise=(AGAIN, place.bare_name),
        )
    ]


async def single(place: Place, scale: Scale) -> list[Figure]:
    """Get by id: one caller, and many."""
    ids = await fill(place)
    conversations, bare = place.of(_TENANT).conversations, place.bare

    async def bare_get(id: str) -> Any:
        return await bare.conversations.find_one({"_id": key_of(id)}, CONVERSATIONS.shown)

    async def peer_get(id: str) -> Any:
        return await place.peer.get(key_of(id))

    row = Row(
        "get",
        _reading(conversations.get_by_id, ids),
        _reading(bare_get, ids),
        _reading(peer_get, ids),
        operations=25,
    )
    return [
        *await measured(place, scale, row),
        *await measured(place, scale, row, callers=scale.callers),
    ]


async def lists(place: Place, scale: Scale) -> list[Figure]:
    """A page of 50 conversations, those started last first."""
    await fill(place)
    conversations, bare = place.of(_TENANT).conversations, place.bare

    async def ours(_: object) -> Any:
        return await conversations.scan(order="-started_at", limit=_PAGE)

    async def by_hand(_: object) -> Any:
        return await bare.find(
            bare.conversations, {"tenant_id": _TENANT}, CONVERSATIONS.shown, _STARTED, _PAGE + 1
        )

    async def by_peer(_: object) -> Any:
        return await place.peer.newest(_TENANT)

    return await _pages(place, scale, "list 50", ours, by_hand, by_peer, [None])


async def histories(place: Place, scale: Scale) -> list[Figure]:
    """A page of 50 messages, from anywhere in a conversation of 2 000."""
    long, *_ = await fill(place)
    messages, bare = place.of(_TENANT).messages, place.bare

    async def ours(after: int) -> Any:
        return await messages.history(long, after=after, limit=_PAGE)

    async def by_hand(after: int) -> Any:
        wanted = {"tenant_id": _TENANT, "conversation_id": long, "sequence": {"$gt": after}}
        return await bare.find(bare.messages, wanted, MESSAGES.shown, [("sequence", 1)], _PAGE + 1)

    async def by_peer(after: int) -> Any:
        return await place.peer.history(_TENANT, long, after)

    places = [place for place, _ in zip(count(0, 37), range(50), strict=False)]
    return await _pages(place, scale, "history 50", ours, by_hand, by_peer, places)


async def _pages(
    place: Place,
    scale: Scale,
    name: str,
    ours: One,
    by_hand: One,
    by_peer: One,
    items: Sequence[Any],
) -> list[Figure]:
    row = Row(
        name,
        _reading(ours, items),
        _reading(by_hand, items),
        _reading(by_peer, items),
        peer_goal=GOAL_PEER_PAGE,
        operations=8,
    )
    return [
        *await measured(place, scale, row, rounds=scale.few),
        *await measured(place, scale, row, callers=scale.callers, rounds=scale.fewest),
    ]
