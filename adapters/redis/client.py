"""What the adapter asks of a connection to Redis, be it to one server or to a cluster."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

import attrs

from adapters.redis.scripts import Script

Argument: TypeAlias = bytes | str | int | float
Reply: TypeAlias = Any
"""As RESP2 has it: bytes, int, None, or a list of replies; a status is bytes."""


@attrs.frozen
class RedisOptions:
    """`deadline`: seconds that a call may take, waiting for a connection included.

    There is one connection a server, shared by all callers, and one for all subscriptions.
    """

    deadline: float = attrs.field(default=5.0, validator=attrs.validators.gt(0))


class Notices(ABC):
    """What is published on a channel from the moment on that its block was entered."""

    @abstractmethod
    async def wait(self, seconds: float) -> bool:
        """Return as soon as something was published since the last call returned; True, or False
        when so many seconds have passed. True as well if the connection was lost meanwhile, or
        anything else may have been missed: look again.
        """


class Client(ABC):
    """Sends commands; safe to share by the tasks of one event loop.

    Commands issued in the same turn of the loop leave in one write (while others are answered, in
    one for some dozens each, so that both sides work at once); each caller gets its own reply,
    whatever becomes of the others. Any call may raise `StoreUnavailableError` (it changed nothing),
    `StoreTimeoutError` (the deadline passed; it changed nothing) or, if it writes,
    `OutcomeUnknownError`. What the server refuses is a `RepositoryError` without its text.
    """

    @abstractmethod
    async def execute(self, *command: Argument, key: str, writes: bool) -> Reply:
        """One command. `key` says which node of a cluster it is for; `writes` as in `Script`."""

    @abstractmethod
    async def run(
        self, script: Script, keys: Sequence[str], arguments: Sequence[Argument] = ()
    ) -> Reply:
        """One script, on keys of one slot, at least one."""

    @abstractmethod
    def listen(self, channel: str) -> AbstractAsyncContextManager[Notices]:
        """Subscribed to a channel for the block: what is published after its entry is heard.

        All of a client's subscriptions share one connection. It is made again when it is lost, and
        looked after: a server that is silent for two deadlines counts as lost. In a cluster, what
        is published at any node is heard, some time after it was.

        Raises:
            StoreUnavailableError, StoreTimeoutError: on entry, if the server didn't confirm it.
        """

    @abstractmethod
    def scan(self, pattern: str) -> AsyncIterator[list[str]]:
        """The names of all keys that match, of every node, in batches; some may come twice.

        Every key that is there throughout is named, unless a cluster moves it to another node
        meanwhile.
        """

    @abstractmethod
    async def check(self) -> None:
        """Answer at once if commands can be sent now.

        Raises:
            StoreUnavailableError, StoreTimeoutError: if they can't.
        """

    @abstractmethod
    async def close(self) -> None:
        """End all connections; callers in flight get `StoreUnavailableError` or what fits."""
