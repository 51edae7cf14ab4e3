"""AES-GCM under several keys."""

from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from string import ascii_letters, digits
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.encryption import KeyRing, new_key
from ports.errors import EncryptionKeyError

ONE, OTHER = bytes(range(32)), bytes(range(32, 64))
RING = KeyRing({"one": ONE, "other": OTHER})
_KEY = b'{"api_key":"hunter2"}'
VECTORS = [
    ("one", b"", b"", "v1.one.7tpA26LS3iA8qBY7SnNt71YgyqS_26Hz1Lvt9Q"),
    (
        "one",
        _KEY,
        b"row",
        "v1.one.xe4iXgbveDnf2-HqyiVhLNkAOq65CUdYfGo64rZLAyxjGe48Q5FR30ItFuh_hQilHQ",
    ),
    (
        "other",
        _KEY,
        b"row",
        "v1.other.yrxjgb4w5PdgaTauPdWnVL3p0QbsZrKIIDtCDrdK9shQ6QLiGyV89q7iHOXavJjkHQ",
    ),
]
"""Key, plaintext, associated data, token."""


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_what_is_sealed_opens(plaintext: bytes, associated: bytes) -> None:
    """With the same associated data; the token is plain ASCII and names its key."""
    token = RING.seal(plaintext, associated)
    assert RING.open(token, associated) == plaintext
    assert token.isascii()
    assert token.isprintable()
    assert token.startswith(RING.prefix)
    assert RING.prefix == "v1.one."


def test_tokens_that_were_published_open_for_ever() -> None:
    """Vectors: whoever changes the form or the derivation of keys breaks what is stored."""
    for name, plaintext, associated, token in VECTORS:
        ring = KeyRing({"one": ONE, "other": OTHER}, name)
        assert ring.seal(plaintext, associated) == token
        assert RING.open(token, associated) == plaintext


def test_a_token_is_the_same_for_the_same_and_for_nothing_else() -> None:
    """What is stored again unchanged doesn't change; two rows with one secret don't look alike."""
    token = RING.seal(b"secret", b"row 1")
    assert RING.seal(b"secret", b"row 1") == token
    others = [RING.seal(b"secret", b"row 2"), RING.seal(b"secreT", b"row 1")]
    others.append(KeyRing({"other": OTHER}).seal(b"secret", b"row 1"))
    bodies = {text.rpartition(".")[2][:16] for text in (token, *others)}
    assert len(bodies) == 4, "a nonce came twice"


@given(st.data())
def test_what_was_altered_does_not_open(data: st.DataObject) -> None:
    """Whichever bit it was, and the error has nothing of the content."""
    prefix, _, text = RING.seal(b"hunter2", b"row").rpartition(".")
    sealed = bytearray(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    altered = urlsafe_b64encode(sealed).decode().rstrip("=")
    with pytest.raises(ValueError, match=r"^not sealed so$") as told:
        RING.open(f"{prefix}.{altered}", b"row")
    assert told.value.__context__ is None


@given(st.binary(max_size=4), st.data())
def test_a_token_is_written_in_one_way(content: bytes, data: st.DataObject) -> None:
    """Not even what decodes alike opens in its place: other signs, padding, bits that are over."""
    token = RING.seal(content, b"row")
    place = data.draw(st.integers(token.rindex(".") + 1, len(token) - 1))
    other = data.draw(st.sampled_from(ascii_letters + digits + "-_+/=\n"))
    for altered in (token[:place] + other + token[place + 1 :], f"{token}=", f"{token}=="):
        if altered != token:
            with pytest.raises(ValueError, match=r"^not "):
                RING.open(altered, b"row")


def test_a_token_that_was_moved_does_not_open() -> None:
    """Associated data that only runs together alike is other data."""
    token = RING.seal(b"hunter2", b"row")
    for associated in (b"", b"ro", b"roww", b"Row"):
        with pytest.raises(ValueError, match="not sealed so"):
            RING.open(token, associated)


@pytest.mark.parametrize(
    "token", ["", "v1", "v1.one", "v1.one.", "v1.one.!!", "v1.one.YQ", "v2.one.YQ", "v1..YQ", "é"]
)
def test_what_is_no_token_does_not_open(token: str) -> None:
    """An error of its own kind, never the library's."""
    with pytest.raises(ValueError, match=r"^not "):
        RING.open(token, b"row")


def test_a_key_that_is_not_at_hand_is_named() -> None:
    """So that one knows which to look for."""
    token = RING.seal(b"hunter2", b"row")
    with pytest.raises(EncryptionKeyError) as told:
        KeyRing({"other": OTHER}).open(token, b"row")
    assert told.value.key_id == "one"
    assert "'one'" in str(told.value)
    with pytest.raises(ValueError, match="not sealed so"):
        KeyRing({"one": OTHER}).open(token, b"row")


def test_older_keys_stay_readable() -> None:
    """The active one is the first, or that which is named."""
    newer = KeyRing({"one": ONE, "other": OTHER}, "other")
    assert newer.open(RING.seal(b"a", b""), b"") == b"a"
    assert newer.prefix == "v1.other."


@pytest.mark.parametrize(
    ("keys", "active"),
    [
        ({}, None),
        ({"a.b": ONE}, None),
        ({"": ONE}, None),
        ({"a" * 33: ONE}, None),
        ({"a": ONE[:31]}, None),
        ({"a": ONE + b"x"}, None),
        ({"a": ONE}, "b"),
    ],
)
def test_what_makes_no_ring_is_refused(keys: Any, active: str | None) -> None:
    """At once, and not when something is to be sealed."""
    with pytest.raises(ValueError, match="key"):
        KeyRing(keys, active)


def test_a_ring_shows_no_key() -> None:
    """Only what they are called."""
    assert repr(RING) == "<key ring of one, other; active: one>"
    assert not any(ONE.hex()[:8] in repr(part) for part in vars(RING).values())


def test_a_new_key_is_as_long_as_it_must_be() -> None:
    """And no two are alike."""
    made = {new_key() for _ in range(10)}
    assert {len(b64decode(key, b"-_", validate=True)) for key in made} == {32}
    assert len(made) == 10
    assert KeyRing.generated().seal(b"a", b"") != KeyRing.generated().seal(b"a", b"")
