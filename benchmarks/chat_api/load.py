"""Clients that ask as fast as they are answered, each over a connection that it keeps."""

import asyncio
import json
import re
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import attrs

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_COOKIE = re.compile(rb"set-cookie: ([^;]+);", re.IGNORECASE)


@attrs.define
class Connection:
    """HTTP/1.1, as little of it as the service needs: the client must not be what is measured."""

    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter
    tenant: str
    cookie: str = ""

    @classmethod
    async def to(cls, url: str, tenant: str) -> "Connection":
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port), tenant)

    async def post(self, path: str, body: bytes = b"{}", key: str = "") -> bytes:
        """The body of what is answered, which must be a success."""
        lines = [
            f"POST {path} HTTP/1.1",
            "Host: bench",
            f"X-Tenant-Id: {self.tenant}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        lines += [f"Cookie: {self.cookie}"] if self.cookie else []
        lines += [f"Idempotency-Key: {key}"] if key else []
        self._writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        answer = await self._reader.readexactly(int(length[1]) if length else 0)
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
            raise RuntimeError(f"{path}: {head.splitlines()[0].decode()} {answer.decode()[:500]}")
        if found := _COOKIE.search(head):
            self.cookie = found[1].decode()
        return answer

    async def log_in(self, user: str) -> str:
        """Logged in, with a conversation; its id."""
        await self.post("/sessions", json.dumps({"user_id": user}).encode())
        begun: dict[str, Any] = json.loads(await self.post("/conversations"))
        id: str = begun["id"]
        return id

    def close(self) -> None:
        self._writer.close()


@attrs.frozen
class Talking:
    """A client, and the path of its conversation."""

    connection: Connection
    conversation: str
    name: str


@attrs.frozen
class Level:
    """What was answered: requests a second, and how long each took, in seconds."""

    rate: float
    taken: Sequence[float]

    def percentile(self, share: float) -> float:
        """So long took that share of them at most."""
        ordered = sorted(self.taken)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]

    @property
    def told(self) -> str:
        """For reading."""
        marks = "/".join(f"{self.percentile(share) * 1e3:.3g}" for share in (0.5, 0.95, 0.99))
        return f"{self.rate:,.0f}/s {marks} ms".replace(",", " ")


_BODY = b'{"text": "What have you got today?"}'


async def drive(
    clients: Sequence[Talking], path: Callable[[str], str], seconds: float, run: str
) -> Level:
    """All of them post for so long, each one message after the other."""
    end = time.perf_counter() + seconds
    taken: list[float] = []

    async def talk(client: Talking) -> None:
        sent, where = 0, path(client.conversation)
        while (begun := time.perf_counter()) < end:
            sent += 1
            await client.connection.post(where, _BODY, f"{run}-{client.name}-{sent}")
            taken.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*(talk(client) for client in clients))
    return Level(len(taken) / (time.perf_counter() - begun), taken)
