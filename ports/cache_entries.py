"""What a cache keeps, as bytes, and what an adapter does with them."""

import secrets
import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, Final, TypeAlias

import attrs

from domain.durations import MILLISECOND, duration
from domain.errors import Fault, ValidationError
from domain.rules import sequence, text
from ports.codecs import Codec

MAX_KEY: Final = 512
MAX_TAG: Final = 256
MAX_TAGS: Final = 16
MAX_VALUE_BYTES: Final = 8 * 1024 * 1024
"""Of a value when encoded."""

LONGEST: Final = timedelta(days=3650)
LEASE: Final = timedelta(seconds=5)
"""How long a load may go on without its process being heard of, until another may begin."""

KEY: Final = text(MAX_KEY, min_length=1)
TAG: Final = text(MAX_TAG, min_length=1)
TAGS: Final = sequence(TAG, MAX_TAGS)


DURATION: Final = duration(MILLISECOND, LONGEST)

# Format, flags (none so far), stale part in ms, duration of the load in ms, nonce, the codec's
# version, lengths of its name and of the tags; then these two, then the value.
_HEAD: Final = struct.Struct(">BBQI8sBBH")
_FORMAT: Final = 1
_MARK: Final = bytes([_FORMAT])
_STALE: Final = slice(2, 10)
NONCE: Final = slice(14, 22)
"""Where in an entry's bytes those are that no other entry has."""

BRIEF: Final = _HEAD.size + 100
"""As many bytes say of which codec an entry is."""
DETAILED: Final = BRIEF + MAX_TAGS * (4 * MAX_TAG + 1)
"""As many bytes say everything about an entry but its value."""


@attrs.frozen
class Entry:
    """A value and what is kept with it. The time that it has left is the store's to say."""

    codec: bytes
    version: int
    value: bytes
    stale_ms: int = 0
    """Its last milliseconds, in which it isn't fresh any more."""
    load_ms: int = 0
    """How long it took to load; 0 if it wasn't loaded."""
    tags: tuple[str, ...] = ()
    nonce: bytes = attrs.field(factory=lambda: secrets.token_bytes(8))

    @classmethod
    def of(cls, codec: Codec[Any], value: Any, **more: Any) -> "Entry":
        """An entry for a value.

        Raises:
            ValidationError: for a value that the codec refuses, or that is too large.
        """
        encoded = codec.encode(value)
        if len(encoded) > MAX_VALUE_BYTES:
            fault = Fault("value", f"is larger than {MAX_VALUE_BYTES} bytes when encoded")
            raise ValidationError("cache", [fault])
        return cls(codec.name.encode(), codec.version, encoded, **more)

    def packed(self) -> bytes:
        """All of it, as a store keeps it."""
        tags = "\0".join(self.tags).encode()
        sizes = (len(self.codec), len(tags))
        numbers = (self.stale_ms, min(self.load_ms, 2**32 - 1), self.nonce, self.version)
        return b"".join((_HEAD.pack(_FORMAT, 0, *numbers, *sizes), self.codec, tags, self.value))

    @classmethod
    def unpacked(cls, raw: bytes) -> "Entry | None":
        """The entry that was packed, or the beginning of one; None if it is of another format.

        Raises:
            ValueError: if it is of this format, but corrupt.
        """
        if raw[:1] != _MARK:
            return None
        _, _, stale_ms, load_ms, nonce, version, named, tagged = _head(raw)
        start = _HEAD.size + named
        codec, packed, value = raw[_HEAD.size : start], raw[start : start + tagged], start + tagged
        tags = tuple(packed.decode().split("\0")) if len(packed) == tagged > 0 else ()
        return cls(codec, version, raw[value:], stale_ms, load_ms, tags, nonce)

    def is_of(self, codec: Codec[Any]) -> bool:
        """Whether that codec, in its present version, wrote it."""
        return self.version == codec.version and self.codec == codec.name.encode()


def value_of(raw: bytes, codec: Codec[Any]) -> bytes | None:
    """What that codec encoded, in an entry's bytes; None if it isn't of that codec.

    Raises:
        ValueError: as `Entry.unpacked`, of which this is a part that costs less.
    """
    if raw[:1] != _MARK:
        return None
    *_, version, named, tagged = _head(raw)
    start = _HEAD.size + named
    if version != codec.version or raw[_HEAD.size : start] != codec.name.encode():
        return None
    return raw[start + tagged :]


def _head(raw: bytes) -> tuple[Any, ...]:
    try:
        return _HEAD.unpack_from(raw)
    except struct.error:
        raise ValueError("cut short") from None


@attrs.frozen
class Found:
    """An entry's bytes, or their beginning, and how many milliseconds it has left."""

    left_ms: int
    raw: bytes

    @property
    def is_fresh(self) -> bool:
        """Whether it isn't in its stale part. What nobody can read isn't fresh."""
        raw = self.raw
        if raw[:1] != _MARK or len(raw) < _HEAD.size:
            return False
        return self.left_ms >= int.from_bytes(raw[_STALE])


@attrs.frozen
class Held:
    """Somebody has the lease of a key, for so many milliseconds at most unless it is renewed."""

    left_ms: int


Answer: TypeAlias = Found | Held | None
"""To the wish to load: an entry that is there by now, the lease of another, or: go ahead."""


class Changes(ABC):
    """Word of what becomes of a key's lease, from the moment on that its block was entered."""

    @abstractmethod
    async def wait(self, seconds: float) -> object:
        """Return as soon as the lease was given up or removed, or may have been; at the latest
        after so many seconds. What happened since the last call returned, or the block was
        entered, counts.
        """


class CacheEntries(ABC):
    """What an adapter implements: one tenant's entries and the leases of those that load them.

    Every method is atomic by itself, and goes by the store's clock. All times are milliseconds;
    an entry or lease is gone once more than its time has passed.
    """

    @abstractmethod
    async def read(self, key: str) -> bytes | None:
        """The entry. One command."""

    @abstractmethod
    async def look(self, key: str, size: int | None = None) -> Found | None:
        """The entry, or its first `size` bytes, and the time that it has left."""

    @abstractmethod
    async def put(self, key: str, raw: bytes, lives_ms: int) -> None:
        """Store an entry whatever is there, and remove the lease."""

    @abstractmethod
    async def drop(self, key: str) -> bool:
        """Remove entry and lease; whether there was a fresh entry."""

    @abstractmethod
    async def prolong(self, key: str, nonce: bytes, lives_ms: int) -> bool:
        """Give the entry with that nonce another time to live; whether it was still there. A
        negative one removes it, and leaves the lease.
        """

    @abstractmethod
    async def take(self, key: str, token: str, seen: bytes, lease_ms: int) -> Answer:
        """Take the lease, unless it is held or there is an entry of another nonce than `seen`
        (none: any entry).
        """

    @abstractmethod
    async def seize(self, key: str, token: str, lease_ms: int) -> bytes:
        """Take the lease, whoever holds it; the nonce of the entry that is there, or nothing."""

    @abstractmethod
    async def holds(self, key: str, token: str) -> bool:
        """Whether the lease is that token's."""

    @abstractmethod
    async def renew(self, key: str, token: str, lease_ms: int) -> bool:
        """Prolong the lease, if it is that token's still; whether it is."""

    @abstractmethod
    async def fill(self, key: str, token: str, raw: bytes, lives_ms: int) -> bool:
        """Store an entry and give the lease up, if it is that token's still; whether it was."""

    @abstractmethod
    async def release(self, key: str, token: str) -> None:
        """Give the lease up, if it is that token's still."""

    @abstractmethod
    def changes(self, key: str) -> AbstractAsyncContextManager[Changes]:
        """Hear of it when the key's lease is given up or removed: by `put`, `drop`, `fill` and
        `release`. One that ends by itself, or is seized, isn't heard of.
        """

    @abstractmethod
    async def register(self, tags: Sequence[str], key: str, lives_ms: int) -> None:
        """Note, for at least so long, that the key may have an entry with these tags."""

    @abstractmethod
    async def invalidate(self, tag: str) -> int:
        """`drop` every key that is noted under the tag and was so when this was called; how many
        fresh entries there were. What it dropped is no longer noted, unless it was noted again
        since. Not atomic: if it fails, what it didn't come to is still noted.
        """

    @abstractmethod
    async def clear(self) -> int:
        """`drop` every key that has an entry or a lease, and had one when this was called, or an
        entry that was stored meanwhile by such a lease; how many fresh entries there were.
        """
