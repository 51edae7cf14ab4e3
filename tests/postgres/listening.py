"""A wire that counts what is executed over it."""

from asyncio import StreamReader, StreamWriter

import attrs

from tests.wire import Wire

_SSL_REQUEST = 80_877_103


@attrs.define(eq=False)
class ListeningWire(Wire):
    """Counts the statements that are sent to a PostgreSQL server, prepared ones at each use."""

    statements: int = 0

    async def _pump(self, source: StreamReader, sink: StreamWriter, *, answering: bool) -> None:
        if not answering:
            source = _Heard(source, self)  # type: ignore[assignment]  # as far as it is used here
        await super()._pump(source, sink, answering=answering)


class _Heard:
    """A stream of a client's messages: the first ones of a connection have no type.

    https://www.postgresql.org/docs/current/protocol-message-formats.html
    """

    def __init__(self, source: StreamReader, wire: ListeningWire) -> None:
        self._source = source
        self._wire = wire
        self._unread = b""
        self._starting = True

    async def read(self, size: int) -> bytes:
        data = await self._source.read(size)
        self._unread += data
        while self._hear():
            pass
        return data

    def _hear(self) -> bool:
        typed = 0 if self._starting else 1
        length = typed + int.from_bytes(self._unread[typed : typed + 4], "big")
        if len(self._unread) < typed + 4 or len(self._unread) < length:
            return False
        if self._starting:
            self._starting = int.from_bytes(self._unread[4:8], "big") == _SSL_REQUEST
        elif self._unread[:1] in b"EQ":
            self._wire.statements += 1
        self._unread = self._unread[length:]
        return True
