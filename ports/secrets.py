"""How secrets are sealed before a store sees them."""

from abc import ABC, abstractmethod


class SecretBox(ABC):
    """Seals and opens under keys that it has at hand; nothing of it waits or does I/O.

    A token names its key, so that several keys can be readable while one is active. It never tells
    what was sealed; that what was sealed twice is the same it may tell, for the same `associated`.
    """

    @property
    @abstractmethod
    def prefix(self) -> str:
        """What every token begins with that was sealed under the active key, and no other."""

    @abstractmethod
    def seal(self, plaintext: bytes, associated: bytes) -> str:
        """A token of printable ASCII, sealed under the active key, that opens with `associated`.

        The same for the same arguments, as long as the active key is the same: so that what is
        stored changes when its content does, and not when it is written again.
        """

    @abstractmethod
    def open(self, token: str, associated: bytes) -> bytes:
        """What was sealed.

        Raises:
            EncryptionKeyError: naming the token's key, if it isn't at hand.
            ValueError: if it is no token, was altered, or was sealed with other `associated`; it
                says nothing of the content.
        """
