"""What adapters of real servers have in common, as the contracts see them."""

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Self

from ports.contracts.harness import Backend, ContractClock


class ServerBackend(Backend):
    """On servers that are there for as long as the backend: given ones, or private ones."""

    def __init__(self, clock: ContractClock | None = None) -> None:
        super().__init__(clock)
        self.urls: Sequence[str] = ()
        self._servers = ExitStack()

    @property
    def url(self) -> str:
        """The server's, or the first one's."""
        return self.urls[0]

    @abstractmethod
    def servers(self) -> AbstractContextManager[Sequence[str]]:
        """The servers, for the block, by their URLs."""

    def look_behind(self) -> None:
        """What is to be seen in the servers once the stores have been closed."""

    def __enter__(self) -> Self:
        with ExitStack() as servers:
            self.urls = servers.enter_context(self.servers())
            super().__enter__()
            self._servers = servers.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._servers:
            super().__exit__(kind, error, trace)
            self.look_behind()
