"""Server-side scripts: what is atomic, and decided by the server's clock."""

import hashlib
from functools import cached_property
from pathlib import Path

import attrs

_FOLDER = Path(__file__).with_name("lua")


@attrs.frozen(slots=False)
class Script:
    """A Lua script, known to the server by the hash of its source.

    It must touch only the keys it is given, and all of them lie in one slot. `writes`: whether its
    outcome matters once it was sent and the answer lost.
    """

    source: str
    writes: bool = True

    @classmethod
    def named(cls, name: str, *, writes: bool = True) -> "Script":
        """The script in the file of that name beside this module."""
        return cls((_FOLDER / f"{name}.lua").read_text(encoding="utf-8"), writes)

    @cached_property
    def sha(self) -> str:
        """What EVALSHA calls it."""
        return hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()
