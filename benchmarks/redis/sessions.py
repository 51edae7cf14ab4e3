"""Rows of sessions: read one, change one, and all of a user's."""

from collections.abc import Sequence
from itertools import count
from typing import Any

import attrs
import orjson
from redis.asyncio import Redis

from benchmarks.figures import Figure
from benchmarks.measuring import in_turns
from benchmarks.redis.comparing import AGAIN, GOAL, GOAL_CROWD, PLAIN, Way, measured
from benchmarks.redis.place import Place
from benchmarks.scale import Scale
from domain.sessions import IDLE_TIMEOUT, IssuedSession, Session

GOAL_MANY = 0.2
_EACH_USER = 20
_USERS = 25
_IDLE_MS = int(IDLE_TIMEOUT.total_seconds() * 1_000)
_LEFT_OUT = frozenset({"id", "tenant_id", "updated_at", "last_activity_at", "idle_timeout"})
_turns = count()
_fills = count()

_REPLACE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


def content(number: int) -> dict[str, Any]:
    """What a session holds: some 700 bytes of JSON."""
    return {
        "conversation_id": f"conversation-{number}",
        "context": {
            "page": "/orders/4711/returns",
            "intent": "return_order",
            "slots": {"order_id": f"4711-{number}", "reason": "too small", "pieces": 2},
            "cart": [{"sku": f"SKU-{number}-{piece}", "pieces": piece} for piece in range(1, 5)],
            "turn": 7,
        },
        "preferences": {"language": "de", "voice": False, "theme": "dark", "zone": "Europe/Berlin"},
        "features": {"new_checkout": True, "handoff": False, "summaries": "v2"},
    }


@attrs.frozen
class Stored:
    """The same sessions, as we keep them and as redis-py's user would: JSON under a token."""

    fill: int
    tokens: Sequence[str]
    keys: Sequence[str]

    def users(self) -> list[tuple[str, Sequence[str]]]:
        """Each user, and the keys of the user's sessions."""
        return [
            (_user(self.fill, number), self.keys[number * _EACH_USER : (number + 1) * _EACH_USER])
            for number in range(len(self.keys) // _EACH_USER)
        ]


async def fill(place: Place) -> Stored:
    """Sessions of several users, in their order; of other users each time."""
    fill, issued = next(_fills), list[IssuedSession]()
    for number in range(_USERS * _EACH_USER):
        user = _user(fill, number // _EACH_USER)
        issued.append(await place.ours.sessions.create(user, **content(number)))
    keys = [place.key("session", one.token) for one in issued]
    for key, one in zip(keys, issued, strict=True):
        await place.plain.set(key, _document(one.session), px=_IDLE_MS)
    return Stored(fill, [one.token for one in issued], keys)


async def noise(place: Place, scale: Scale) -> list[Figure]:
    """A/A: redis-py against itself, with two clients."""
    stored = await fill(place)
    other = Redis.from_url(place.url)
    figures = []
    try:
        for callers in (1, scale.callers):
            operations = 4 * callers if callers > 1 else scale.operations(40)
            contenders = [
                Way(_reading(plain), stored.keys).contender(name, operations, callers)
                for name, plain in ((PLAIN, place.plain), (AGAIN, other))
            ]
            rounds = await in_turns(contenders, scale.rounds if callers == 1 else scale.few)
            figures.append(
                Figure.of(
                    rounds,
                    name="redis: A/A get" + (f", {callers} callers" if callers > 1 else ""),
                    of=AGAIN,
                    to=PLAIN,
                    against=f"{PLAIN}, a second client",
                    noise=(AGAIN, PLAIN),
                )
            )
    finally:
        await other.aclose()
    return figures


async def rows(place: Place, scale: Scale) -> list[Figure]:
    """Get, patch, and the 20 sessions of a user."""
    stored = await fill(place)
    sessions = place.ours.sessions

    async def patch(token: str) -> Session:
        return await sessions.patch(token, context={"turn": next(_turns)})

    read = _reading(place.plain)

    async def decoded(key: str) -> Any:
        return orjson.loads(await read(key))

    reading = {
        PLAIN: Way(read, stored.keys, GOAL, GOAL_CROWD),
        f"{PLAIN}, decoded": Way(decoded, stored.keys),
    }
    replacing = Way(_replacing(place.plain), stored.keys)
    return [
        *await measured(scale, "session get", Way(sessions.get, stored.tokens), reading),
        *await measured(scale, "session patch", Way(patch, stored.tokens), {PLAIN: replacing}),
        *await _of_a_user(place, scale, stored),
    ]


async def _of_a_user(place: Place, scale: Scale, stored: Stored) -> list[Figure]:
    users = stored.users()
    plain = place.plain

    async def reads(keys: Sequence[str]) -> list[Any]:
        return [await plain.get(key) for key in keys]

    # It knows the keys already; who doesn't asks for them first.
    keys = [keys for _, keys in users]
    others = {
        PLAIN: Way(reads, keys, GOAL_MANY, GOAL_MANY),
        f"{PLAIN}, one MGET": Way(plain.mget, keys),
    }
    name = f"{_EACH_USER} sessions of a user"
    ours = Way(place.ours.sessions.for_user, [user for user, _ in users])
    for user, listed in users:
        assert len(await place.ours.sessions.for_user(user)) == len(listed)
    return await measured(scale, name, ours, others, operations=4, each=1)


def _reading(plain: "Redis") -> Any:
    """Read, and let it live as long again."""

    async def read(key: str) -> Any:
        return await plain.getex(key, px=_IDLE_MS)

    return read


def _replacing(plain: "Redis") -> Any:
    """Read, change, and write if nobody came between."""
    replace = plain.register_script(_REPLACE)

    async def patch(key: str) -> None:
        raw: Any = await plain.get(key)
        document = orjson.loads(raw)
        document["context"] = {"turn": next(_turns)}
        document["revision"] += 1
        if not await replace(keys=[key], args=[raw, orjson.dumps(document), _IDLE_MS]):
            raise AssertionError("somebody came between")

    return patch


def _user(fill: int, number: int) -> str:
    return f"user-{fill}-{number}"


def _document(session: Session) -> bytes:
    """Its JSON; what a key says by itself is left out."""
    fields = attrs.asdict(session, recurse=False)
    kept = {name: value for name, value in fields.items() if name not in _LEFT_OUT}
    return orjson.dumps(kept, default=dict)
