"""Where time and identities come from, so that tests and stores agree on them."""

from abc import ABC, abstractmethod
from datetime import datetime
from uuid import UUID


class Clock(ABC):
    """The present. Adapters never ask the operating system themselves."""

    @abstractmethod
    def now(self) -> datetime:
        """An aware UTC time. It may stand still between two calls and may be set by a test."""


class IdGenerator(ABC):
    """Mints identities that nobody minted before."""

    @abstractmethod
    def new_uuid(self) -> UUID:
        """A UUIDv7 (RFC 9562, section 5.7), greater than every one that this generator gave out."""

    def new_text(self) -> str:
        """The text form of `new_uuid()`, for dialogue ids."""
        return str(self.new_uuid())
