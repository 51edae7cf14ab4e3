"""The keys that stores under test seal secrets with."""

import hmac
from hashlib import sha256, shake_256

from ports.errors import EncryptionKeyError
from ports.secrets import SecretBox


class ContractKeys(SecretBox):
    """Keys that a contract can change under the stores, which share them.

    It is made of the standard library alone, and enough to find out who stores a secret as it is,
    moves one, or opens one that nobody asked for. It protects nothing from anybody else.
    """

    def __init__(self) -> None:
        self._made = 0
        self._keys: dict[str, bytes] = {}
        self.opened = 0
        """How often something was opened."""
        self.associated: list[bytes] = []
        """What each secret that was sealed is bound to."""
        self.another()

    @property
    def active(self) -> str:
        """The name of the active key."""
        return f"contract-{self._made}"

    def another(self) -> None:
        """From now on another key is the active one; those before it stay readable."""
        self._made += 1
        self._keys[self.active] = sha256(self.active.encode()).digest()

    def retire(self, name: str) -> None:
        """From now on, what is under that key can't be opened."""
        del self._keys[name]

    @property
    def prefix(self) -> str:
        return f"{self.active}."

    def seal(self, plaintext: bytes, associated: bytes) -> str:
        self.associated.append(associated)
        sealed = _sealed(self._keys[self.active], plaintext, associated)
        return f"{self.prefix}{sealed.hex()}"

    def open(self, token: str, associated: bytes) -> bytes:
        self.opened += 1
        name, _, text = token.partition(".")
        if name not in self._keys:
            raise EncryptionKeyError(name)
        sealed = bytes.fromhex(text)
        plaintext = _crypted(self._keys[name], sealed[:32], sealed[32:])
        if not hmac.compare_digest(_sealed(self._keys[name], plaintext, associated), sealed):
            raise ValueError("not sealed so")
        return plaintext


def _sealed(key: bytes, plaintext: bytes, associated: bytes) -> bytes:
    tag = hmac.digest(key, len(associated).to_bytes(8) + associated + plaintext, sha256)
    return tag + _crypted(key, tag, plaintext)


def _crypted(key: bytes, tag: bytes, content: bytes) -> bytes:
    stream = shake_256(key + tag).digest(len(content))
    return bytes(one ^ other for one, other in zip(content, stream, strict=True))
