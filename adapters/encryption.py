"""Secrets under AES-256-GCM, each token beside the name of its key.

A token is `v1.<key id>.<base64url of nonce and ciphertext, unpadded>`. From each key of 32 bytes
two are derived by HKDF-SHA256 (RFC 5869): one encrypts (NIST SP 800-38D, the tag of 128 bits, the
associated data authenticated), one makes the nonce of 96 bits, as HMAC-SHA256 of associated data
and plaintext. A nonce that is computed so can't meet another content by a poor source of randomness
or a forked process; two contents of one key meet one nonce as rarely as with random ones. What it
costs: who may read the table over time sees when a row's secret is one that it had before.
"""

import hmac
import re
import secrets
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ports.errors import EncryptionKeyError
from ports.secrets import SecretBox

KEY_BYTES: Final = 32
_VERSION = "v1"
_NONCE_BYTES = 12
_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


class _Key:
    __slots__ = ("_cipher", "_nonces")

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(_derived(key, b"dialogbase secrets v1: encryption"))
        self._nonces = _derived(key, b"dialogbase secrets v1: nonces")

    def seal(self, plaintext: bytes, associated: bytes) -> bytes:
        framed = len(associated).to_bytes(8) + associated + plaintext
        nonce = hmac.digest(self._nonces, framed, sha256)[:_NONCE_BYTES]
        return nonce + self._cipher.encrypt(nonce, plaintext, associated)

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], associated)


class KeyRing(SecretBox):
    """Several keys by name, all of them readable; new secrets are sealed under the active one."""

    def __init__(self, keys: Mapping[str, bytes], active: str | None = None) -> None:
        """Keys of 32 random bytes; the first is the active one if none is named.

        Raises:
            ValueError: for no key, an id that isn't 1 to 32 of `A-Z a-z 0-9 _ -`, a key of another
                length, or an active one that isn't among them.
        """
        if not keys:
            raise ValueError("a key ring needs a key")
        if not all(_ID.fullmatch(name) for name in keys):
            raise ValueError("a key's id has 1 to 32 characters of A-Z a-z 0-9 _ -")
        if any(len(key) != KEY_BYTES for key in keys.values()):
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        self._active = next(iter(keys)) if active is None else active
        if self._active not in keys:
            raise ValueError("the active key isn't in the ring")
        self._keys = {name: _Key(key) for name, key in keys.items()}

    @classmethod
    def generated(cls, name: str = "generated") -> Self:
        """A ring with one new key that is kept nowhere."""
        return cls({name: secrets.token_bytes(KEY_BYTES)})

    @property
    def prefix(self) -> str:
        return f"{_VERSION}.{self._active}."

    def seal(self, plaintext: bytes, associated: bytes) -> str:
        sealed = self._keys[self._active].seal(plaintext, associated)
        return self.prefix + _text(sealed)

    def open(self, token: str, associated: bytes) -> bytes:
        version, name, text = (*token.split(".", 2), "", "")[:3]
        if version != _VERSION or not _ID.fullmatch(name):
            raise ValueError("not a token")
        key = self._keys.get(name)
        if key is None:
            raise EncryptionKeyError(name)
        try:
            sealed = b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            if _text(sealed) == text:  # of what decodes alike, one is the token
                return key.open(sealed, associated)
        except (InvalidTag, ValueError):
            pass
        raise ValueError("not sealed so")

    def __repr__(self) -> str:
        return f"<key ring of {', '.join(self._keys)}; active: {self._active}>"


def new_key() -> str:
    """A new key in the form that settings take: base64url of 32 random bytes."""
    return urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def _text(sealed: bytes) -> str:
    return urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _derived(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(key)
