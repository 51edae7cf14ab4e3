"""How values of one type become bytes that are kept, and come back."""

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeVar

T = TypeVar("T")


class Codec(ABC, Generic[T]):
    """Bytes for values of one type. Stateless, and safe to share.

    `name` (1 to 100 ASCII characters) and `version` (0 to 255) are kept with every value: what
    another codec or version wrote is as good as absent to this one, so that a service whose types
    have changed raises the version and reads nothing wrong. Don't unpickle: whoever can write to
    the store could run code here.
    """

    name: ClassVar[str]
    version: ClassVar[int]

    @abstractmethod
    def encode(self, value: T) -> bytes:
        """The bytes for a value.

        Raises:
            ValidationError: for a value that this codec can't give back as it is.
        """

    @abstractmethod
    def decode(self, data: bytes) -> T:
        """The value, sharing nothing mutable with what earlier calls returned.

        Raises:
            ValueError, LookupError, TypeError: for bytes that are none of this codec's.
        """
