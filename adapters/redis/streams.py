"""A consumer that publishes events in Redis streams, for programs in whatever language.

One stream a tenant, `dialogbase:1:{<tenant>/<name>}:stream`: a cluster spreads them over its nodes,
a tenant that changes much pushes no other's events out, who may read one tenant's events need not
see another's, and they go when the tenant is erased.

An entry's fields are text: `id`, `tenant_id`, `at` (`2026-01-31T12:00:00.000Z`), `actor` (empty if
nobody said), `action` (`created`, `updated` or `deleted`), `entity_type`, `entity_id`, `revision`.
An event may be there twice, then with the same `id`: a reader drops what it has seen. Entries of an
entity stand in the order of its changes (what is there twice, maybe behind what followed it).
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from adapters.redis.client import Client
from adapters.redis.keyed import milliseconds_of
from adapters.redis.keys import key
from adapters.redis.scripts import Script
from domain.durations import MILLISECOND, duration
from domain.identity import TenantId
from domain.outbox import ChangeEvent
from domain.rules import argument, whole
from ports.outbox import CONSUMER_NAME, Consumer

_ADD: Final = Script.named("stream_add")
_LASTING: Final = duration(MILLISECOND, timedelta(days=365))
_LENGTH: Final = whole(1, 10_000_000)


class RedisStreamConsumer(Consumer):
    """Appends events to their tenant's stream: those of a call all or none, in one round trip.

    A stream keeps about the last `length` entries (never fewer), and ends when nothing was added
    for `lasting`: who reads more slowly misses some, and can't tell but by an entity's revisions.

    It is known to the outbox as `stream <name>`.

    Raises:
        ValidationError: for a name or a bound that is none.
    """

    def __init__(
        self,
        client: Client,
        name: str,
        *,
        length: int = 10_000,
        lasting: timedelta = timedelta(days=7),
    ) -> None:
        self._client = client
        self._stream: str = argument("stream", "name", name, CONSUMER_NAME)
        self._name: str = argument("stream", "name", f"stream {name}", CONSUMER_NAME)
        self._length: int = argument("stream", "length", length, _LENGTH)
        self._lasting = milliseconds_of(argument("stream", "lasting", lasting, _LASTING))

    @property
    def name(self) -> str:
        return self._name

    def key(self, tenant: TenantId) -> str:
        """Of a tenant's stream."""
        return key(tenant, self._stream, "stream")

    async def consume(self, events: Sequence[ChangeEvent]) -> None:
        entries = [_entry(event) for event in events]
        values = [value for entry in entries for pair in entry.items() for value in pair]
        bounds = [self._length, self._lasting, 2 * len(entries[0])]
        await self._client.run(_ADD, [self.key(events[0].tenant_id)], [*bounds, *values])


def _entry(event: ChangeEvent) -> dict[str, str]:
    return {
        "id": str(event.id),
        "tenant_id": event.tenant_id,
        "at": event.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "actor": event.actor or "",
        "action": event.action.value,
        "entity_type": event.entity_type,
        "entity_id": str(event.entity_id),
        "revision": str(event.revision),
    }
