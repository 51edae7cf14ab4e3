"""The outbox: what was changed is told to whoever wants to know, after the commit and in order.

Every change of an entity leaves a `ChangeEvent` in its own transaction. A dispatcher hands events
to consumers (see `ports.dispatch`), each of which has a name under which the outbox knows it:

- A consumer gets every event of the changes that are committed after its name was subscribed, of
  all tenants, and maybe some that were committed shortly before. It keeps its place while it is
  away, for as long as it takes: what waits for it is bounded by `unsubscribe` alone, and to be seen
  in `backlog`.
- At least once: an event comes again if it isn't known to have been taken. Its `id` stays the same.
- In order for each entity: an event doesn't come before every earlier one of the same entity was
  taken by that consumer. Nothing is said of the order among entities.
- What nobody has subscribed to is dropped, at the latest by the next dispatcher that comes along.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Final

import attrs

from domain.identity import TenantId
from domain.outbox import ChangeEvent
from domain.rules import argument, identifier

CONSUMER_NAME: Final = identifier(100)


class Consumer(ABC):
    """Somebody who wants to know what was changed."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Under which the outbox knows it: 1 to 100 characters without control characters.

        The same in every process that runs this consumer: they share its events.
        """

    @abstractmethod
    async def consume(self, events: Sequence[ChangeEvent]) -> None:
        """Take events of one entity, in their order; to raise means that none of them was taken.

        They come again, later, if this raises or takes longer than the dispatcher's timeout (it is
        cancelled then), and also if the dispatcher dies before it could note that they were taken:
        so it must do no harm to be given one twice. Called for several entities at the same time.
        It must not block the event loop, on which it shares its thread with everybody else.
        """


@attrs.frozen(kw_only=True)
class ConsumerBacklog:
    """What waits for one consumer. No payload, no tenant.

    `waiting` events, the `oldest` of which was changed then; `failing` of the entities they belong
    to were refused at least once, one of them `attempts` times; of what class the error of that one
    was.
    """

    name: str
    waiting: int = 0
    oldest: datetime | None = None
    failing: int = 0
    attempts: int = 0
    last_error: str | None = None


@attrs.frozen(kw_only=True)
class Backlog:
    """What waits: `undistributed` events that no dispatcher has looked at yet, the `oldest` of
    which was changed then, and what waits for each consumer."""

    undistributed: int
    oldest: datetime | None
    consumers: tuple[ConsumerBacklog, ...]


class Delivery(ABC):
    """Events of one entity that are being given to one consumer, by nobody else meanwhile."""

    def __init__(self, events: Sequence[ChangeEvent], attempts: int, *, more: bool = True) -> None:
        self.events = events
        self.attempts = attempts
        """How often the first of them was refused before."""

        self.more = more
        """Whether there may be others for the same tenant and consumer."""

    @abstractmethod
    async def taken(self) -> None:
        """They are never delivered to this consumer again."""

    @abstractmethod
    async def refused(self, error: str, pause: timedelta) -> None:
        """They, and what follows them for the same entity, come again when `pause` has passed.

        `error`: of what class; 1 to 100 characters.
        """


class Outbox(ABC):
    """The events of all tenants. For dispatchers and operators, not for request handlers."""

    async def subscribe(self, name: str) -> bool:
        """From now on, events are kept for the consumer of that name; False if they were before.

        Raises:
            ValidationError: for what can't be a name.
        """
        return await self._subscribe(argument("consumer", "name", name, CONSUMER_NAME))

    async def unsubscribe(self, name: str) -> bool:
        """Forget a consumer and all that waits for it; False if there was none of that name.

        In batches: interrupted, it may be called again and goes on, and answers True if anything
        was left. What is just being given to it may still be.

        Raises:
            ValidationError: for what can't be a name.
        """
        return await self._unsubscribe(argument("consumer", "name", name, CONSUMER_NAME))

    @abstractmethod
    async def backlog(self) -> Backlog:
        """What waits, for every consumer there is, by name. Reads as many rows as are waiting."""

    # What a store implements: for dispatchers.

    @abstractmethod
    async def _subscribe(self, name: str) -> bool: ...

    @abstractmethod
    async def _unsubscribe(self, name: str) -> bool: ...

    @abstractmethod
    async def with_news(self, after: str, limit: int) -> Sequence[TenantId]:
        """The next `limit` tenants after one, by code point, that have undistributed events."""

    @abstractmethod
    async def distribute(self, tenant: TenantId, limit: int) -> int:
        """Make a tenant's first `limit` events deliverable to every consumer; how many they were.

        All or none, and 0 at once if another dispatcher is at it. An event never becomes
        deliverable before an earlier one of the same entity.
        """

    @abstractmethod
    async def with_work(
        self, consumer: str, *, again: bool, after: str, limit: int
    ) -> Sequence[TenantId]:
        """The next `limit` tenants after one, by code point, for whom `deliver` may find something:
        with `again` what was refused before and is due, without it what wasn't.
        """

    @abstractmethod
    def deliver(
        self, tenant: TenantId, consumer: str, *, again: bool, limit: int, lasting: timedelta
    ) -> AbstractAsyncContextManager[Delivery | None]:
        """The next entity's first events, at most `limit`, held for the block; None if there are
        none that nobody else holds. Which: see `with_work`.

        If the block is left without `taken` or `refused`, or its process dies, they are as they
        were. They are held for a little longer than `lasting`: who takes longer has lost them.
        """
