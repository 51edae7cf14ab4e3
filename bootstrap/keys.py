"""The keys that credentials are encrypted with: from the settings, or the data folder's own."""

import json
import os
import re
import secrets
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from domain.secrets import Secret

if TYPE_CHECKING:  # it needs `cryptography`, which who has no keys doesn't
    from adapters.encryption import KeyRing

KEY_FILE: Final = "encryption_keys.json"
_FORM: Final = (
    "must be keys as `id:key`, separated by commas, or a table of them: an id has 1 to 32 "
    "characters of A-Z a-z 0-9 _ -, and a key is 32 bytes in base64url"
)
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_KEY_BYTES: Final = 32


def keys(candidate: object) -> Secret:
    """The rule of the setting: keys by id, in the form in which settings hold them."""
    if isinstance(candidate, Secret):
        candidate = candidate.reveal()
    elif isinstance(candidate, str):
        pairs = [part.strip().partition(":")[::2] for part in candidate.split(",")]
        candidate = dict(pairs)
        if len(candidate) < len(pairs):
            raise ValueError(_FORM + "; no id may stand twice")
    if not isinstance(candidate, Mapping) or not candidate:
        raise ValueError(_FORM)
    for name, key in candidate.items():
        if not isinstance(name, str) or not _ID.fullmatch(name) or not _is_key(key):
            raise ValueError(_FORM)
    return Secret(candidate)


def ring(kept: Secret, active: str | None) -> "KeyRing":
    """The key ring of such keys; the first is the active one if none is named."""
    from adapters.encryption import KeyRing

    texts: Mapping[str, Any] = kept.reveal()
    return KeyRing({name: _decoded(text) for name, text in texts.items()}, active)


def ring_of_folder(folder: Path) -> "KeyRing":
    """The key ring of a data folder, in a file that only its owner may read; made when there is
    none. Whoever has the folder has both what is encrypted and the key.

    Raises:
        ValueError: if the file isn't one of keys.
    """
    path = folder / KEY_FILE
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    new = path.with_name(f"{KEY_FILE}.{secrets.token_hex(8)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            json.dump(dict([generated()]), file)
            file.flush()
            os.fsync(file.fileno())
        # Of processes that make one at the same time the first wins, and everybody reads that.
        with suppress(FileExistsError):
            os.link(new, path)
        _settle(folder)
    finally:
        new.unlink()
    return _read(path)


def _settle(folder: Path) -> None:
    """Its entries survive a power cut from now on: what is encrypted does, and needs its key."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def generated(name: str | None = None) -> tuple[str, str]:
    """A new key, and its id: one that no other key has, if none is given.

    Raises:
        ValueError: for what can't be an id.
    """
    from adapters.encryption import new_key

    named = f"k-{secrets.token_hex(4)}" if name is None else name
    if not _ID.fullmatch(named):
        raise ValueError("an id has 1 to 32 characters of A-Z a-z 0-9 _ -")
    return named, new_key()


def _read(path: Path) -> "KeyRing":
    text = path.read_text(encoding="utf-8")
    try:
        return ring(keys(json.loads(text)), None)
    except ValueError:
        pass  # whose message or document would show what is in it
    raise ValueError(f"{path} isn't a file of encryption keys")


def _is_key(text: object) -> bool:
    if not isinstance(text, str) or not text.isascii():
        return False
    try:
        return len(_decoded(text)) == _KEY_BYTES
    except NotBase64:
        return False


def _decoded(text: str) -> bytes:
    return b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
