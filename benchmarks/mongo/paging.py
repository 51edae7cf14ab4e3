"""Rows of reading on: the ends of a conversation of very many messages, of very many
conversations, and streams of any length.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from adapters.mongo.collections import CONVERSATIONS
from adapters.mongo.driver import DriverName
from benchmarks.dialogues import conversation_drafts, message_drafts
from benchmarks.figures import Figure
from benchmarks.measuring import Contender, in_turns
from benchmarks.mongo.bare import Bare, Document
from benchmarks.mongo.place import Place
from benchmarks.scale import Scale
from benchmarks.streaming import memory_of
from domain.identity import tenant_id
from ports.conversations import CONVERSATION_SCHEMA
from ports.criteria import coerce
from ports.paging import Order, encode_cursor

GOAL = 1.3
PAGE = 50
_TENANT = tenant_id("many")
_LOG = "long"
_CONVERSATIONS_A_MESSAGE = 10
_AT_ONCE = 10_000
_ORDER = "-last_activity_at"
Read = Callable[[], Awaitable[object]]


async def fill(places: Mapping[DriverName, Place], messages: int) -> None:
    """One conversation of so many messages and a tenth as many conversations, of one tenant, made
    by the server of one of ours each.

    The indexes that play no part in pages are left out of this database: they would take most of
    the time.
    """
    place = places["pymongo"]
    mine, bare = place.of(_TENANT), place.bare
    (draft,) = conversation_drafts(1)
    await mine.conversations.create(draft)
    (owner,) = await bare.stored(_TENANT, bare.conversations)
    log = owner["_id"].partition("!")[2]
    await mine.messages.append(log, message_drafts(1))
    (message,) = await bare.stored(_TENANT, bare.messages)
    await bare.drop(_TENANT)
    for name, kept in (
        ("messages", "uq_messages_sequence"),
        ("conversations", "ix_conversations_activity"),
    ):
        for index in await bare.database[name].index_information():
            if index not in ("_id_", kept):
                await bare.database[name].drop_index(index)
    await _multiplied(
        bare,
        bare.conversations,
        {**owner, "_id": f"{_TENANT}!{_LOG}", "last_sequence": messages},
        messages // _CONVERSATIONS_A_MESSAGE,
        {"last_activity_at": _moved("$last_activity_at", 7_919)},
    )
    await _multiplied(
        bare,
        bare.messages,
        {**message, "_id": f"{_TENANT}!{_LOG}", "conversation_id": _LOG},
        messages,
        {"sequence": "$n", "at": _moved("$at", 1)},
    )


def _moved(path: str, seconds: int) -> Document:
    """A time, later by so many seconds a number, within about three years."""
    later = {"$mod": [{"$multiply": ["$n", seconds * 1000]}, 100_000_000_000]}
    return {"$add": [path, {"$toLong": later}]}


async def _multiplied(
    bare: Bare, collection: Any, document: Document, copies: int, changes: Document
) -> None:
    """So many copies of a document, numbered from 1 by `n`, each with `changes`."""
    seed = bare.database["seed"]
    await seed.delete_many({})
    await seed.insert_one(document)
    for start in range(1, copies + 1, _AT_ONCE):
        end = min(start + _AT_ONCE, copies + 1)
        key = {"$concat": [f"{_TENANT}!{_LOG}-", {"$toString": "$n"}]}
        cursor = seed.aggregate(
            [
                {"$set": {"n": {"$range": [start, end]}}},
                {"$unwind": "$n"},
                {"$set": {"_id": key, **changes}},
                {"$unset": "n"},
                {"$merge": {"into": collection.name, "whenMatched": "fail"}},
            ]
        )
        await (await cursor).to_list()


async def pages(place: Place, scale: Scale) -> list[Figure]:
    """The far end against the near one: a history in both directions, and conversations."""
    messages, last = place.of(_TENANT).messages, scale.many_rows
    far = (last // PAGE - 1) * PAGE

    def after(number: int) -> Read:
        return lambda: messages.history(_LOG, after=number, limit=PAGE)

    def before(number: int) -> Read:
        return lambda: messages.history(_LOG, before=number, limit=PAGE)

    for read, first in ((after(far), far + 1), (before(PAGE + 1), 1)):
        page: Any = await read()
        assert [one.sequence for one in page.items] == [*range(first, first + PAGE)]
    title = f"history page {last // PAGE} of {last} messages"
    found = [
        await _ends(place, scale, f"{title}, forwards", after(far), after(0)),
        await _ends(place, scale, f"{title}, backwards", before(PAGE + 1), before(last + 1)),
    ]
    number = last // _CONVERSATIONS_A_MESSAGE
    cursor = await _cursor(place, number - PAGE)
    found.append(
        await _ends(
            place,
            scale,
            f"page {number // PAGE} of {number} conversations, active last first",
            _scan(place, cursor),
            _scan(place, None),
        )
    )
    return found


def _scan(place: Place, after: str | None) -> Read:
    conversations = place.of(_TENANT).conversations
    return lambda: conversations.scan(order=_ORDER, after=after, limit=PAGE)


async def _cursor(place: Place, offset: int) -> str:
    """The cursor after so many conversations, without reading page after page up to there."""
    found = (
        await place.bare.conversations.find({"tenant_id": _TENANT}, CONVERSATIONS.shown)
        .sort([("last_activity_at", -1), ("_id", -1)])
        .skip(offset - 1)
        .limit(1)
        .to_list(None)
    )
    order = Order.of(_ORDER, CONVERSATION_SCHEMA)
    position = order.position(CONVERSATIONS.mapper.restored(found[0]))
    return encode_cursor(_TENANT, coerce(None, CONVERSATION_SCHEMA), order, position)


async def _ends(place: Place, scale: Scale, name: str, far: Read, near: Read) -> Figure:
    times = scale.operations(4)

    def contender(called: str, read: Read) -> Contender:
        async def work(_: object) -> None:
            for _ in range(times):
                await read()

        return Contender(name=called, operations=times, work=work)

    ways = (("far", far), ("near", near), ("again", near))
    rounds = await in_turns([contender(called, read) for called, read in ways], scale.few)
    return Figure.of(
        rounds,
        name=f"{place.driver}: {name}",
        of="far",
        to="near",
        against="page 1",
        goal=GOAL,
        noise=("again", "near"),
    )


async def streams(place: Place, scale: Scale) -> list[Figure]:
    """Messages, as `stream_history` gives them."""

    def stream() -> AsyncIterator[Any]:
        return place.of(_TENANT).messages.stream_history(_LOG)

    return await memory_of(stream, f"{place.driver}: stream history,", scale)
