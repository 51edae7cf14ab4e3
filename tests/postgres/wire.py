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
    _server: asyncio.Server | None = None

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncIterator[tuple[Self, str]]:
        """A wire to the server of `url`, and the URL of its other end."""
        parts = urlsplit(url)
        wire = cls(parts.hostname or "", parts.port or 5432)
        server = await asyncio.start_server(wire._carry, "127.0.0.1", 0)
        wire._server = server
        port = server.sockets[0].getsockname()[1]
        location = parts.netloc.rpartition("@")[0] + f"@127.0.0.1:{port}"
        try:
            yield wire, parts._replace(netloc=location).geturl()
        finally:
            server.close()
            wire.cut()

    def cut(self) -> None:
        """Every connection ends at once; new ones can be made."""
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self.host, self.port)
        self._ends += [writer, back]
        await asyncio.gather(
            self._pump(reader, back, answering=False), self._pump(there, writer, answering=True)
        )

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
