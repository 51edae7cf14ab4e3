"""What an index is, in code and on the server."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

EXPIRY = "expireAfterSeconds"
_KNOWN = frozenset({"v", "key", "name", "unique", "partialFilterExpression", "ns", "background"})


@attrs.frozen(kw_only=True)
class Index:
    """An index: its name, and its keys in order, 1 ascending or -1 descending.

    `where`: only documents that this finds are in it. `expires_after`: seconds after the time that
    its only key names, when the server removes a document. `entity_key`: of a unique one, the
    fields by which a `DuplicateEntityError` names it; () if no caller can cause it.
    """

    name: str
    keys: tuple[tuple[str, int], ...]
    unique: bool = False
    where: Mapping[str, Any] | None = None
    expires_after: int | None = None
    entity_key: tuple[str, ...] = ()

    def definition(self) -> dict[str, Any]:
        """What `createIndexes` takes."""
        made: dict[str, Any] = {"name": self.name, "key": dict(self.keys)}
        if self.unique:
            made["unique"] = True
        if self.where is not None:
            made["partialFilterExpression"] = dict(self.where)
        if self.expires_after is not None:
            made[EXPIRY] = self.expires_after
        return made


def described(definition: Mapping[str, Any]) -> str:
    """A definition, as `createIndexes` takes it or `listIndexes` shows it, so that equal ones are
    described alike."""
    keys = ", ".join(f"{path} {_direction(way)}" for path, way in definition["key"].items())
    telling = {
        name: value
        for name, value in definition.items()
        if name not in _KNOWN and value not in (False, None)
    }
    words = ["unique" if definition.get("unique") else "", f"({keys})"]
    if where := definition.get("partialFilterExpression"):
        words.append(f"where {_plain(where)}")
    if telling:
        words.append(f"with {_plain(telling)}")
    return " ".join(filter(None, words))


def _direction(way: Any) -> str:
    return {1: "ascending", -1: "descending"}.get(way, str(way))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(value[name]) for name in sorted(value)}
    # As the server gives it back.
    return f"{value.replace(tzinfo=None)}Z" if isinstance(value, datetime) else value
