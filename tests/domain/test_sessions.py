"""Sessions: tokens, ids and when they end."""

import re
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ValidationError
from domain.identity import TenantId, UserId
from domain.sessions import (
    LONGEST_IDLE,
    IssuedSession,
    Session,
    bucket_in,
    bucket_of,
    handle_of,
    is_handle,
    token_of,
)
from tests.domain.values import AT, texts

SECRETS = st.binary(min_size=32, max_size=32)
MINUTE = timedelta(minutes=1)


def session(**fields: Any) -> Session:
    """A session at its beginning."""
    return Session(
        **{
            "id": handle_of(token_of("ada", bytes(32))),
            "tenant_id": TenantId("acme"),
            "user_id": UserId("ada"),
            "created_at": AT,
            "updated_at": AT,
            "last_activity_at": AT,
            "expires_at": AT + timedelta(hours=12),
            **fields,
        }
    )


@given(user=texts(1), secret=SECRETS)
def test_a_token_and_its_id_are_of_the_users_bucket(user: str, secret: bytes) -> None:
    """So that whoever has one of them knows where to look."""
    token = token_of(user, secret)
    assert re.fullmatch(r"[0-9a-f]{4}[A-Za-z0-9_-]{43}", token)
    assert is_handle(handle_of(token))
    assert token[:4] == bucket_in(handle_of(token)) == bucket_of(user)


@given(one=SECRETS, other=SECRETS)
def test_an_id_tells_nothing_of_its_token(one: bytes, other: bytes) -> None:
    """It is a hash of all of it."""
    first, second = token_of("ada", one), token_of("ada", other)
    assert (handle_of(first) == handle_of(second)) == (one == other)
    assert handle_of(first)[4:] != first[4:]


@given(text=st.text() | st.sampled_from(["", "\ud800", "0" * 47, "zzzz" + "x" * 43]))
def test_any_text_has_an_id_to_look_for(text: str) -> None:
    """Whether it is a token shows nowhere but in the store."""
    assert is_handle(handle_of(text))
    assert text not in handle_of(text) or len(text) < 5


def test_buckets_are_even() -> None:
    """No slot of a cluster holds much more than its share of users."""
    firsts = [bucket_of(f"user {number}")[0] for number in range(1_600)]
    counts = [firsts.count(digit) for digit in "0123456789abcdef"]
    assert 50 < min(counts) <= max(counts) < 150


def test_a_token_is_not_printed() -> None:
    """Neither by itself nor with its session."""
    issued = IssuedSession(token_of("ada", b"x" * 32), session())
    assert issued.token not in f"{issued} {issued!r}"


def test_a_session_ends_when_it_was_not_used_or_at_its_end() -> None:
    """Whichever comes first."""
    made = session(idle_timeout=MINUTE)
    assert made.idle_expires_at == AT + MINUTE
    used = evolve(made, last_activity_at=AT + timedelta(hours=12) - timedelta(seconds=1))
    assert used.idle_expires_at == used.expires_at


@pytest.mark.parametrize(
    "idle",
    [
        timedelta(0),
        -MINUTE,
        timedelta(milliseconds=999),
        MINUTE + timedelta(microseconds=1),
        LONGEST_IDLE + timedelta(milliseconds=1),
        60,
        60.0,
        True,
        None,
        "60",
        float("nan"),
    ],
    ids=str,
)
def test_an_idle_timeout_is_a_duration_within_bounds(idle: object) -> None:
    """Nothing else is taken for one, and none for "never"."""
    with pytest.raises(ValidationError, match="idle_timeout: must"):
        session(idle_timeout=idle)


def test_every_fault_is_named() -> None:
    """At once."""
    with pytest.raises(ValidationError) as raised:
        session(id="", user_id="a\n", channel="fax", context=[], features={"n": 2**64})
    assert [fault.path for fault in raised.value.faults] == [
        "id",
        "user_id",
        "channel",
        "context",
        "features.n",
    ]
