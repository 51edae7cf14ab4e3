"""That the look at what contracts leave in a server finds what must not be there."""

import pytest
import redis

from adapters.redis.keys import key
from domain.identity import TenantId
from tests.contracts.redis_backends import RedisBackend, RedisClusterBackend

ACME = TenantId("acme")


@pytest.fixture(params=[RedisBackend, RedisClusterBackend], ids=lambda kind: kind.name)
def private(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> RedisBackend:
    """On servers of its own, whatever the environment names."""
    monkeypatch.delenv(request.param.variable, raising=False)
    made: RedisBackend = request.param()
    return made


def put(backend: RedisBackend, name: str, **expiry: int) -> None:
    """On whichever node it belongs to."""
    for url in backend.urls:
        with redis.Redis.from_url(url) as client:
            try:
                client.set(name, "x", **expiry)
            except redis.exceptions.MovedError:
                continue
            return
    raise AssertionError(name)


def look(backend: RedisBackend, *keys: tuple[str, int | None]) -> None:
    """The backend's whole life, in which these keys are set, to live for so many seconds."""
    with backend:
        for name, seconds in keys:
            put(backend, name, **({} if seconds is None else {"ex": seconds}))


def test_keys_with_expiry_and_a_name_of_ours_are_well(private: RedisBackend) -> None:
    """On whichever node they lie."""
    look(private, *((key(ACME, str(number), "session", "x"), 60) for number in range(20)))


def test_a_key_without_expiry_fails_the_run_by_its_kind(private: RedisBackend) -> None:
    """And its name, which may tell something, isn't repeated."""
    keys = (key(ACME, "secret", "cached"), None), (key(ACME, "x", "cached"), 60)
    with pytest.raises(AssertionError, match="1 × kind 'cached' without an expiry") as told:
        look(private, *keys)
    assert "secret" not in str(told.value)


def test_a_key_that_is_not_named_by_the_rule_fails_the_run(private: RedisBackend) -> None:
    """Joined by hand, it might be somebody else's too."""
    with pytest.raises(AssertionError, match="a name that isn't ours: 'acme:x'"):
        look(private, ("acme:x", 60))
