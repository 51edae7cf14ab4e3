"""A consumer in this process: a function."""

from collections.abc import Awaitable, Callable, Sequence

from domain.outbox import ChangeEvent
from domain.rules import argument
from ports.outbox import CONSUMER_NAME, Consumer


class CallbackConsumer(Consumer):
    """Hands events to an async function, which is to do what `Consumer.consume` says.

    Of all processes that dispatch for the same name one gets each event: who must hear of every
    change in every process needs a name for each, and an `unsubscribe` when it is gone for good.

    Raises:
        ValidationError: if `name` is none.
    """

    def __init__(
        self, name: str, callback: Callable[[Sequence[ChangeEvent]], Awaitable[object]]
    ) -> None:
        self._name: str = argument("consumer", "name", name, CONSUMER_NAME)
        self._callback = callback

    @property
    def name(self) -> str:
        return self._name

    async def consume(self, events: Sequence[ChangeEvent]) -> None:
        await self._callback(events)
