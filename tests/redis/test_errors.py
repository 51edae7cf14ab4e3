"""What becomes of the server's error replies."""

import pytest

from adapters.redis.errors import Refusal, late, lost
from ports.errors import (
    OutcomeUnknownError,
    RepositoryError,
    StoreTimeoutError,
    StoreUnavailableError,
)

_SECRET = "secret:key"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("OOM", StoreUnavailableError),
        ("READONLY", StoreUnavailableError),
        ("LOADING", StoreUnavailableError),
        ("MASTERDOWN", StoreUnavailableError),
        ("CLUSTERDOWN", StoreUnavailableError),
        ("BUSY", StoreUnavailableError),
        ("MISCONF", StoreUnavailableError),
        ("NOREPLICAS", StoreUnavailableError),
        ("TRYAGAIN", StoreUnavailableError),
        ("NOAUTH", StoreUnavailableError),
        ("WRONGPASS", StoreUnavailableError),
        ("NOPERM", RepositoryError),
        ("CROSSSLOT", RepositoryError),
        ("WRONGTYPE", RepositoryError),
        ("ERR", RepositoryError),
        ("NOSCRIPT", RepositoryError),
    ],
)
@pytest.mark.parametrize("writes", [False, True])
def test_a_refusal_is_known_by_its_code_and_keeps_no_text(
    code: str, expected: type[RepositoryError], writes: bool
) -> None:
    """Also if it was a write: it says that nothing was done, or that something is wrong."""
    error = Refusal(f"{code} no such thing as {_SECRET}").error(writes=writes)
    assert type(error) is expected
    assert code in str(error)
    assert "secret" not in repr(error)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("@user_script: 3: -OOM command not allowed when used memory > 'maxmemory'.", "OOM"),
        ("@user_script: 3: -READONLY You can't write against a read only replica.", "READONLY"),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", "WRONGTYPE"),
        ("@user_script: 1: Wrong number of args calling Redis command From Lua script", "ERR"),
        ("user_script:1: Script attempted to access nonexistent global variable 'OOM'", "ERR"),
        ("user_script:1: : -OOM x", "ERR"),
    ],
)
def test_what_a_script_met_is_known_by_its_own_code(text: str, code: str) -> None:
    """As Redis 6.2 says it."""
    said = f"ERR Error running script (call to f_{'7b' * 20}): @user_script:3: {text}"
    assert Refusal(said).code == code


@pytest.mark.parametrize("text", [_SECRET, f"{_SECRET} more", "", "OOMPH OOM", "oom"])
def test_a_code_that_is_not_known_is_not_repeated(text: str) -> None:
    """It may be any text at all."""
    error = Refusal(text).error(writes=True)
    assert type(error) is RepositoryError
    assert str(error) == "Redis refused the operation"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("MOVED 3999 127.0.0.1:6381", ("127.0.0.1", 6381)),
        ("ASK 3999 redis-1.example:6381", ("redis-1.example", 6381)),
        ("MOVED 3999 2001:db8::1:6381", ("2001:db8::1", 6381)),
        ("MOVED 3999 :6381", ("", 6381)),
        ("MOVED", None),
        ("MOVED 3999", None),
        ("MOVED 3999 there", None),
        ("ERR 3999 127.0.0.1:6381", None),
    ],
)
def test_a_redirection_says_where(text: str, address: tuple[str, int] | None) -> None:
    """Unless it doesn't."""
    assert Refusal(text).address == address


def test_only_a_write_that_was_sent_has_an_unknown_outcome() -> None:
    """A read changes nothing, nor does what never left."""
    assert type(lost(sent=True).error(writes=True)) is OutcomeUnknownError
    assert type(lost(sent=True).error(writes=False)) is StoreUnavailableError
    assert type(lost(sent=False).error(writes=True)) is StoreUnavailableError
    assert type(late(sent=True).error(writes=True)) is OutcomeUnknownError
    assert type(late(sent=True).error(writes=False)) is StoreTimeoutError
    assert type(late(sent=False).error(writes=True)) is StoreTimeoutError
