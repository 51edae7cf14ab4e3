"""What the values of settings have to be, beyond what is the domain's own."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from domain.rules import Rule

ServerName = Literal["postgres", "mongo", "redis"]
SCHEMES: Final[Mapping[ServerName, tuple[str, ...]]] = {
    "postgres": ("postgresql", "postgres"),
    "mongo": ("mongodb", "mongodb+srv"),
    "redis": ("redis", "rediss", "unix"),
}


def choice(*members: str) -> Rule:
    """One of these words."""

    def apply(candidate: object) -> Any:
        if candidate not in members:
            raise ValueError(f"must be one of {', '.join(members)}")
        return candidate

    return apply


def url(server: ServerName) -> Rule:
    """Text that may be the URL of such a server."""
    schemes = SCHEMES[server]

    def apply(candidate: object) -> Any:
        if not isinstance(candidate, str):
            raise ValueError("must be text")
        try:
            parts = urlsplit(candidate)
        except ValueError:
            raise ValueError("is not a URL") from None
        if parts.scheme not in schemes or not (parts.netloc or parts.path):
            raise ValueError(f"must be a URL that begins with {' or '.join(schemes)}://")
        return candidate

    return apply


def masked(address: str | None) -> str:
    """A URL for the eye: no password, and no query, which may hold one too."""
    if address is None:
        return "None"
    parts = urlsplit(address)
    account, at, place = parts.netloc.rpartition("@")
    user, colon, _ = account.partition(":")
    secret = ":***" if colon else ""
    query = "?…" if parts.query else ""
    return repr(f"{parts.scheme}://{user}{secret}{at}{place}{parts.path}{query}")


def folder(candidate: object) -> Path:
    """A folder's path, whether or not it is there."""
    if not isinstance(candidate, str | os.PathLike) or not str(candidate):
        raise ValueError("must be a folder's path")
    return Path(candidate)
