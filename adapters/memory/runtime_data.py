"""What a tenant has that lives for a while, in this process's memory."""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any, TypeVar

import attrs


class Part(ABC):
    """What one port keeps of one tenant. Made from nothing when it is first asked for."""

    counted: bool = False
    """Whether an erasure counts what is in it."""

    @abstractmethod
    def live(self, now: datetime) -> int:
        """How many things are in it that haven't expired. May forget those that have."""

    @abstractmethod
    def clear(self) -> None:
        """Forget everything, as if it had expired."""


P = TypeVar("P", bound=Part)


@attrs.define
class TenantData:
    """One tenant's data, shared by every store over it."""

    parts: dict[type[Any], Part] = attrs.field(factory=dict)

    def part(self, kind: type[P]) -> P:
        """The part of that type."""
        found: Any = self.parts.get(kind)
        if found is None:
            found = self.parts[kind] = kind()
        part: P = found
        return part
