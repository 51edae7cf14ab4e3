"""A stand-in for PgBouncer in transaction pooling: whoever begins anything is given the next of a
few connections to the server, until the server says that no transaction is open any more.

It keeps no prepared statements, resets nothing, and refuses a start-up parameter that PgBouncer
doesn't track.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import urlsplit

import asyncpg
import attrs

_TRACKED = {"user", "database", "client_encoding", "DateStyle", "TimeZone", "application_name"}
_SSL, _CANCEL = 80877103, 80877102
_TOLD = {"server_version": "18.0", "client_encoding": "UTF8", "TimeZone": "UTC"}


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4) + body


_GREETING = (
    _message(b"R", bytes(4))
    + b"".join(_message(b"S", f"{name}\0{value}\0".encode()) for name, value in _TOLD.items())
    + _message(b"K", bytes(8))
    + _message(b"Z", b"I")
)


class _Backend(asyncio.Protocol):
    """A connection to the server, past its start: what it answers goes to who has it."""

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self.client: asyncio.StreamWriter | None = None
        self.states: asyncio.Queue[bytes] = asyncio.Queue()
        """Of the transaction, each time the server is ready for more."""
        self._left = b""

    def data_received(self, data: bytes) -> None:
        if self.client is not None:
            self.client.write(data)
        self._left += data
        while len(self._left) >= 5 and len(self._left) > (size := _size(self._left)):
            if self._left[:1] == b"Z":
                self.states.put_nowait(self._left[5:6])
            self._left = self._left[size + 1 :]


def _size(message: bytes) -> int:
    return int.from_bytes(message[1:5])


@attrs.define(eq=False)
class Pooler:
    """`given`: how many transactions went by which connection."""

    given: list[int] = attrs.field(factory=list)
    refused: set[str] = attrs.field(factory=set)
    """Start-up parameters for which somebody was turned away."""
    _free: "asyncio.Queue[tuple[int, _Backend]]" = attrs.field(factory=asyncio.Queue)
    _serving: set["asyncio.Task[Any] | None"] = attrs.field(factory=set)

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str, connections: int) -> AsyncIterator[tuple[Self, str]]:
        """A pooler before the server of `url`, and its own URL."""
        pooler = cls([0] * connections)
        opened = [await asyncpg.connect(url) for _ in range(connections)]
        for number, connection in enumerate(opened):
            backend = _Backend(connection._transport)
            backend.transport.set_protocol(backend)
            pooler._free.put_nowait((number, backend))
        server = await asyncio.start_server(pooler._serve, "127.0.0.1", 0)
        parts = urlsplit(url)
        place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        location = f"{parts.netloc.rpartition('@')[0]}@{place}"
        try:
            yield pooler, parts._replace(netloc=location).geturl()
        finally:
            server.close()
            serving = [task for task in pooler._serving if task is not None]
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)
            for connection in opened:
                connection.terminate()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.add(asyncio.current_task())
        try:
            if await self._greeted(reader, writer):
                while (first := await _read(reader))[:1] != b"X":
                    await self._transaction(first, reader, writer)
        except asyncio.IncompleteReadError:
            pass  # it left
        finally:
            writer.close()

    async def _greeted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        while True:
            size = int.from_bytes(await reader.readexactly(4))
            body = await reader.readexactly(size - 4)
            if int.from_bytes(body[:4]) == _SSL:
                writer.write(b"N")
                continue
            if int.from_bytes(body[:4]) == _CANCEL:
                return False
            names = body[4:].split(b"\0")[::2]
            unknown = {name.decode() for name in names if name} - _TRACKED
            self.refused |= unknown
            if unknown:
                told = b"SFATAL\0C08P01\0Munsupported startup parameter\0\0"
                writer.write(_message(b"E", told))
                return False
            writer.write(_GREETING)
            return True

    async def _transaction(
        self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        number, backend = await self._free.get()
        self.given[number] += 1
        backend.client = writer
        message, state = first, b""
        try:
            while state != b"I":
                backend.transport.write(message)
                state = await backend.states.get() if message[:1] in b"SQ" else b""
                message = b"" if state == b"I" else await _read(reader)
        finally:
            backend.client = None
            self._free.put_nowait((number, backend))


async def _read(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(_size(head) - 4)
