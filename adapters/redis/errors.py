"""What Redis and redis-py report, as what a port may raise: by code or class, not by text.

Nothing that is returned here carries a message, a detail or a value of theirs. A reply's place is
taken by a `Failure`, which is not raised: whether it makes an outcome unknown depends on whether
its caller writes.

Codes: the first word of an error reply, https://valkey.io/topics/protocol/#simple-errors
"""

import re
from typing import Final

from ports.errors import (
    OutcomeUnknownError,
    RepositoryError,
    StoreTimeoutError,
    StoreUnavailableError,
)

MOVED: Final = "MOVED"
ASK: Final = "ASK"
NOSCRIPT: Final = "NOSCRIPT"
READONLY: Final = "READONLY"

_CHANGING = {MOVED, ASK, "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "LOADING", READONLY}
"""What is answered by a cluster whose nodes or slots are changing."""

# Within a script, each of these is met by its first write or by none (valkey, `src/script.c`:
# `scriptVerifyWriteCommandAllow`, `scriptVerifyOOM`), so that nothing changed.
_NOT_NOW = _CHANGING | {"OOM", "BUSY", "MISCONF", "NOREPLICAS"}
_REFUSED = {"NOAUTH", "WRONGPASS"}
# A script may meet this one after it has written: then something changed.
_FORBIDDEN = {"NOPERM"}
_FAULTS = {"CROSSSLOT", "WRONGTYPE", "ERR", "EXECABORT", NOSCRIPT}

# Before Redis 7, a script that meets a refusal is refused as such; its code stands further within.
_OF_A_SCRIPT = re.compile(
    r"ERR Error running script \(call to f_\w{40}\): "
    r"@user_script:\d+: (?:@user_script: \d+: -)?([A-Z]+) "
)


class Failure:
    """What came in a reply's place. `unknown`: the command may have been executed. `elsewhere`: it
    wasn't, and another node, or this one soon, may do it.
    """

    def __init__(
        self,
        kind: type[RepositoryError],
        text: str,
        *,
        unknown: bool = False,
        elsewhere: bool = False,
    ) -> None:
        self.kind = kind
        self.text = text
        self.unknown = unknown
        self.elsewhere = elsewhere

    def error(self, *, writes: bool) -> RepositoryError:
        """What its caller is to raise."""
        if self.unknown and writes:
            return OutcomeUnknownError(f"{self.text}, after the write was sent")
        return self.kind(self.text)


class Refusal(Failure):
    """An error reply. Made of the server's text, of which it keeps the code and an address."""

    def __init__(self, text: str) -> None:
        self.code, _, rest = text.partition(" ")
        if within := _OF_A_SCRIPT.match(text):
            self.code = within[1]
        self.address = _address(rest) if self.code in (MOVED, ASK) else None
        """Where MOVED and ASK point; no host if it is the one that answered."""
        super().__init__(*_meaning(self.code), elsewhere=self.code in _CHANGING)


def _address(text: str) -> tuple[str, int] | None:
    host, _, port = text.partition(" ")[2].rpartition(":")
    return (host, int(port)) if port.isdecimal() else None


def _meaning(code: str) -> tuple[type[RepositoryError], str]:
    if code in _NOT_NOW:
        return StoreUnavailableError, f"Redis can't do it now ({code})"
    if code in _REFUSED:
        return StoreUnavailableError, f"Redis refused this user ({code})"
    if code in _FORBIDDEN:
        return RepositoryError, f"this user isn't allowed to do it ({code})"
    if code in _FAULTS:
        return RepositoryError, f"Redis refused the operation ({code})"
    return RepositoryError, "Redis refused the operation"


class Unconnected(Exception):
    """No connection could be made."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure)


def lost(*, sent: bool) -> Failure:
    """When the connection went before the reply came."""
    text = "the connection to Redis broke"
    return Failure(StoreUnavailableError, text, unknown=sent, elsewhere=not sent)


def late(*, sent: bool) -> Failure:
    """When the deadline passed before the reply came."""
    return Failure(StoreTimeoutError, "the deadline passed before Redis answered", unknown=sent)


def unreachable() -> Failure:
    """When no connection could be made."""
    return Failure(StoreUnavailableError, "Redis can't be reached", elsewhere=True)


def rejected() -> Failure:
    """When the server didn't let us in: by the user, the password or the database's number."""
    return Failure(StoreUnavailableError, "Redis refused the user, password or database of the URL")


def closed(*, sent: bool = False) -> Failure:
    """When we closed the connection ourselves."""
    return Failure(StoreUnavailableError, "the store is closed", unknown=sent)


def incomplete() -> Failure:
    """When no node of a cluster has the slot."""
    return Failure(StoreUnavailableError, "the cluster doesn't serve all keys", elsewhere=True)


def not_redis(reason: str) -> StoreUnavailableError:
    """When a URL can't be used."""
    return StoreUnavailableError(f"the URL, or an option in it, isn't one for Redis ({reason})")
