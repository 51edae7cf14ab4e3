"""A wire between a store and its server that can be cut, and can lose what the server answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self
from urllib.parse import urlsplit

import attrs


@attrs.define(eq=False)
class Wire:
    """Carries bytes both ways. While `losing`, the server hears everything and nobody hears it."""

    host: str
    port: int
    losing: bool = False
    lost: asyncio.Event = attrs.field(factory=asyncio.Event)
    """Set once an answer was lost."""
    _ends: list[asyncio.StreamWriter] = attrs.field(factory=list)
    _carrying: set["asyncio.Task[None] | None"] = attrs.field(factory=set)

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncIterator[tuple[Self, str]]:
        """A wire to the server of `url`, and the URL of its other end."""
        parts = urlsplit(url)
        wire = cls(parts.hostname or "", parts.port or 5432)
        server = await asyncio.start_server(wire._carry, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        location = parts.netloc.rpartition("@")[0] + f"@127.0.0.1:{port}"
        try:
            yield wire, parts._replace(netloc=location).geturl()
        finally:
            server.close()
            await wire._end()

    def cut(self) -> None:
        """Every connection ends at once; new ones can be made."""
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._carrying.add(asyncio.current_task())
        self._ends.append(writer)
        there, back = await asyncio.open_connection(self.host, self.port)
        self._ends.append(back)
        await asyncio.gather(
            self._pump(reader, back, answering=False), self._pump(there, writer, answering=True)
        )

    async def _end(self) -> None:
        """Nothing of it is left on the loop, which may close next."""
        carrying = [task for task in self._carrying if task is not None]
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)
        ends = list(self._ends)
        self.cut()
        await asyncio.gather(*(end.wait_closed() for end in ends), return_exceptions=True)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answering: bool
    ) -> None:
        try:
            while data := await source.read(65_536):
                if answering and self.losing:
                    self.lost.set()
                else:
                    sink.write(data)
                    await sink.drain()
        except ConnectionError:
            pass
        finally:
            sink.close()
