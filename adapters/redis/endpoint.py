"""Where a server is and how one gets in; the part of redis-py that makes connections."""

import asyncio
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import urlsplit

import attrs
import hiredis
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    UnixDomainSocketConnection,
    parse_url,
)
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from adapters.redis.errors import Refusal, Unconnected, not_redis, rejected, unreachable

_OURS = {
    "connection_class",
    "decode_responses",
    "encoding",
    "encoding_errors",
    "health_check_interval",
    "legacy_responses",
    "max_connections",
    "protocol",
    "retry_on_timeout",
    "socket_connect_timeout",
    "socket_read_size",
    "socket_timeout",
    "timeout",
}
"""Options of redis-py's URLs that say how connections are kept and read: that is done here."""


class Link(asyncio.Protocol):
    """A connection that redis-py made, and that is read and written here from then on.

    `over` is set when nothing of it is left.
    """

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.ended = False
        self._driver: AbstractConnection | None = None
        self._transport: asyncio.Transport
        # A refusal is a reply here, not an exception; hiredis (3.5) takes what is made of it.
        refusal: Any = Refusal
        self._reader = hiredis.Reader(
            protocolError=hiredis.ProtocolError, replyError=refusal, notEnoughData=...
        )

    def begin(self, driver: AbstractConnection, transport: asyncio.Transport) -> None:
        """Take over. `driver` is kept because redis-py ends what nobody holds any more."""
        self._driver = driver
        self._transport = transport
        transport.set_protocol(self)

    def end(self) -> None:
        """End it at once; what wasn't written is not. `connection_lost` follows."""
        if not self.ended:
            self.ended = True
            if self._driver is None:
                self.over.set()
            else:
                self._transport.abort()
                self._driver._close()  # type: ignore[no-untyped-call]

    def connection_lost(self, error: Exception | None) -> None:
        self.end()
        self.over.set()


@attrs.frozen
class Endpoint:
    """A server's address, and the user, password, database number and TLS to come in with."""

    host: str
    port: int
    _kind: type[AbstractConnection] = attrs.field(repr=False)
    _options: Mapping[str, Any] = attrs.field(repr=False)

    @classmethod
    def of(cls, url: str) -> Self:
        """The endpoint that `redis://`, `rediss://` (TLS) or `unix://` names, as in redis-py.

        Raises:
            StoreUnavailableError: if it can't be read.
        """
        reason = "its database is no number"
        try:
            parts = urlsplit(url)
            if parts.scheme == "unix" or not parts.path.strip("/") or parts.path[1:].isdecimal():
                named: Mapping[str, Any] = {**parse_url(url)}
                kind: Any = named.get("connection_class", Connection)
                options = {name: named[name] for name in named.keys() - _OURS}
                kind(**options)
                return cls(
                    str(options.pop("host", "localhost")),
                    int(str(options.pop("port", 6379))),
                    kind,
                    options,
                )
        except (ValueError, TypeError, RedisError) as error:
            reason = type(error).__name__
        raise not_redis(reason)

    def at(self, host: str, port: int) -> "Endpoint":
        """The same, at another address."""
        if issubclass(self._kind, UnixDomainSocketConnection):
            options = {name: self._options[name] for name in self._options.keys() - {"path"}}
            return Endpoint(host, port, Connection, options)
        return attrs.evolve(self, host=host, port=port)

    async def connect(self, link: Link, seconds: float) -> None:
        """Let `link` take over a connection that is authenticated and has its database chosen.

        Raises:
            Unconnected: if that can't be done, or not in so many seconds.
        """
        kind: Any = self._kind
        local = issubclass(kind, UnixDomainSocketConnection)
        driver: Any = kind(
            **({} if local else {"host": self.host, "port": self.port}),
            **self._options,
            protocol=2,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
        )
        failure = unreachable()
        begun = False
        try:
            async with asyncio.timeout(seconds):
                await driver.connect()
            # redis-py (8.1) has no public name for these two.
            reader, transport = driver._reader, driver._writer.transport
            if not reader.at_eof() and not transport.is_closing():
                link.begin(driver, transport)
                begun = True
                return
        except (AuthenticationError, ResponseError):
            failure = rejected()
        except (RedisError, OSError):
            pass
        finally:
            if not begun:
                driver._close()
        raise Unconnected(failure)
