"""What `doctor` says of servers for what lives for a while."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import adapters.redis.inspection
from adapters.redis.keys import key
from bootstrap.cli import call
from domain.identity import TenantId
from tests.valkey import Node, cluster, one_server, real_server


@pytest.fixture
def started() -> Iterator[ExitStack]:
    """Servers for one test."""
    with ExitStack() as stack:
        yield stack


class Doctor:
    """Runs the command on what answers at a URL."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, url: str) -> tuple[int, dict[str, tuple[bool, str]]]:
        """The exit code, warnings included, and what was found on each subject."""
        self._monkeypatch.setenv("DIALOGBASE_REDIS_URL", url)
        code = call(["doctor", "--strict", "--json"])
        checks: list[dict[str, Any]] = json.loads(self._capsys.readouterr().out)["checks"]
        told = {one["subject"]: (one["well"], one["found"]) for one in checks}
        return code, {
            one["subject"]: told[one["subject"]] for one in checks if one["store"] == "redis"
        }


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """A deployment that has Redis only."""
    for group in ("AUTHORING", "DIALOGUE"):
        monkeypatch.setenv(f"DIALOGBASE_STORES_{group}", "memory")
    return Doctor(monkeypatch, capsys)


def fill(node: Node, count: int, *, lasting: int = 0) -> None:
    """Sessions with an expiry, and locks without."""
    with node.client() as client, client.pipeline(transaction=False) as pipeline:
        for number in range(count):
            pipeline.set(key(TenantId("acme"), str(number), "session"), "x", ex=600)
        for number in range(lasting):
            pipeline.set(key(TenantId("acme"), str(number), "lock"), "x")
        pipeline.set("somebody else's", "x")
        pipeline.execute()


def test_a_server_as_it_should_be_is_well(looked_at: Doctor, started: ExitStack) -> None:
    """With all that is known of it."""
    node = started.enter_context(real_server(appendonly="yes"))
    fill(node, 30)
    code, told = looked_at(node.url)
    assert code == 0
    assert told["answers"][1].startswith(("Valkey ", "Redis "))
    assert told["mode"] == (True, "one server")
    assert told["eviction"] == (True, "none: memory has no limit")
    assert told["persistence"] == (True, "an append-only file")
    assert told["expiry"] == (True, "every key has one (30 looked at)")


def test_keys_without_an_expiry_are_counted_by_kind(looked_at: Doctor, started: ExitStack) -> None:
    """Other programs' may live for ever."""
    node = started.enter_context(real_server())
    fill(node, 3, lasting=2)
    code, told = looked_at(node.url)
    assert code == 1
    assert told["expiry"] == (False, "2 of 'lock' have none (5 looked at)")


def test_many_keys_are_a_sample(looked_at: Doctor, started: ExitStack) -> None:
    """However many there are, a look takes no longer."""
    node = started.enter_context(real_server())
    fill(node, 25_000)
    well, found = looked_at(node.url)[1]["expiry"]
    assert well
    assert 10_000 <= int(found.partition("(")[2].split()[0]) < 25_000


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_server_that_may_forget_what_was_promised_is_not_well(
    looked_at: Doctor, started: ExitStack, policy: str
) -> None:
    """Everything here is volatile, so that the policies for volatile keys spare nothing."""
    node = started.enter_context(real_server(maxmemory=100_000_000, maxmemory_policy=policy))
    code, told = looked_at(node.url)
    assert code == 1
    well, found = told["eviction"]
    assert not well
    assert found.startswith(policy)
    assert "set maxmemory-policy to noeviction" in found
    with node.client() as client:
        client.config_set("maxmemory-policy", "noeviction")
    assert looked_at(node.url)[1]["eviction"] == (True, "none: a full server refuses to write")


def test_a_clock_that_is_off_is_told(looked_at: Doctor, started: ExitStack) -> None:
    """By how much."""
    url, _ = started.enter_context(one_server(datetime.now(UTC) + timedelta(hours=1)))
    code, told = looked_at(url)
    assert code == 1
    well, found = told["clock"]
    assert not well
    assert 3_500 < float(found.split()[0]) <= 3_600


def test_a_server_that_is_too_old_is_told(
    looked_at: Doctor, started: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen by asking for a version that nobody has."""
    node = started.enter_context(real_server())
    monkeypatch.setattr(adapters.redis.inspection, "OLDEST", (99, 1))
    code, told = looked_at(node.url)
    assert code == 1
    well, found = told["version"]
    assert not well
    assert found.endswith("must be 99.1 or later")


def test_a_cluster_is_looked_at_node_by_node(looked_at: Doctor, started: ExitStack) -> None:
    """Whichever of them is named."""
    nodes = started.enter_context(cluster(datetime.now(UTC))).nodes
    with nodes[1].client() as client:
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lfu")
        client.config_set("appendonly", "yes")
    code, told = looked_at(nodes[2].url)
    assert code == 1
    assert told["mode"] == (True, "a cluster of 3 primaries, its state is ok")
    assert told["persistence"][1] == "an append-only file on 1 of 3 nodes"
    assert told["eviction"][0] is False
    assert told["eviction"][1].startswith("allkeys-lfu: ")


def test_a_cluster_that_lacks_slots_is_not_well(looked_at: Doctor, started: ExitStack) -> None:
    """It would refuse a part of all keys, or all."""
    nodes = started.enter_context(cluster(datetime.now(UTC))).nodes
    with nodes[0].client() as client:
        client.execute_command("CLUSTER", "DELSLOTS", 0)
    code, told = looked_at(nodes[0].url)
    assert code == 1
    assert told["mode"] == (False, "a cluster of 3 primaries, its state is fail")


def test_a_server_with_another_password_is_told_without_it(
    looked_at: Doctor, started: ExitStack
) -> None:
    """It answers, and can't be used."""
    node = started.enter_context(real_server(requirepass="right"))
    url = f"redis://:s3cr3t@127.0.0.1:{node.port}/0"
    code, told = looked_at(url)
    assert (code, told["answers"][0]) == (1, False)
    assert "s3cr3t" not in told["answers"][1]
