"""A cluster whose slots move and whose nodes die."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from redis.crc import key_slot

from adapters.redis.client import Client
from adapters.redis.cluster import ClusterClient
from adapters.redis.scripts import Script
from ports.errors import (
    OutcomeUnknownError,
    RepositoryError,
    StoreTimeoutError,
    StoreUnavailableError,
)
from tests.redis.opening import RAISED, READ, get, opened, outcome, put, unused
from tests.valkey import Cluster, Node, cluster, show

_BOTH = Script("return redis.call('MGET', KEYS[1], KEYS[2])", writes=False)
_LONG = 60.0
_SHORT = 0.01
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def three() -> Iterator[Cluster]:
    """Three primaries that stay up; a test puts back what it moves."""
    with cluster(_NOW) as nodes:
        yield nodes


@pytest.fixture
def paired() -> Iterator[Cluster]:
    """Three primaries of the test's own, and a replica of each."""
    with cluster(None, replicas=1) as nodes:
        yield nodes


def _slot(key: str) -> int:
    return key_slot(key.encode())


def _id(node: Node) -> str:
    with node.client() as client:
        name: bytes = client.execute_command("CLUSTER", "MYID")
    return name.decode()


def _say(node: Node, *command: str | int) -> None:
    with node.client() as client:
        client.execute_command(*command)


class _Move:
    """A slot on its way from its primary to another."""

    def __init__(self, nodes: Cluster, slot: int) -> None:
        self.slot = slot
        self.source = nodes.primary_of(slot)
        self.target = next(node for node in nodes.nodes if node is not self.source)
        self._primaries = nodes.nodes[:3]

    def begin(self) -> None:
        _say(self.target, "CLUSTER", "SETSLOT", self.slot, "IMPORTING", _id(self.source))
        _say(self.source, "CLUSTER", "SETSLOT", self.slot, "MIGRATING", _id(self.target))

    def take(self, *keys: str) -> None:
        host, port = "127.0.0.1", self.target.port
        _say(self.source, "MIGRATE", host, port, "", 0, 5000, "KEYS", *keys)

    def end(self) -> None:
        for node in (self.target, self.source, *self._primaries):
            _say(node, "CLUSTER", "SETSLOT", self.slot, "NODE", _id(self.target))

    def back(self) -> None:
        """What the slot holds is dropped."""
        _say(self.target, "FLUSHALL")
        for node in (self.source, self.target, *self._primaries):
            _say(node, "CLUSTER", "SETSLOT", self.slot, "NODE", _id(self.source))


def _redirections(nodes: Cluster, kind: str) -> int:
    count = 0
    for node in nodes.nodes:
        with node.client() as client:
            errors = client.info("errorstats")
        count += errors.get(f"errorstat_{kind}", {"count": 0})["count"]
    return count


async def _raised(client: Client, key: str) -> int:
    count: int = await client.run(RAISED, [key], [1])
    return count


def test_commands_go_to_the_nodes_of_their_keys(three: Cluster) -> None:
    """Without a redirection, in one write for each node."""

    async def scenario() -> None:
        keys = [unused() for _ in range(200)]
        with ExitStack() as stack:
            beside = [stack.enter_context(node.client()) for node in three.nodes]

            def reads() -> list[int]:
                return [each.info("stats")["total_reads_processed"] for each in beside]

            async with opened(three.url) as client:
                assert isinstance(client, ClusterClient)
                await client.check()
                redirections = _redirections(three, "MOVED")
                before = reads()
                await asyncio.gather(*(put(client, key, key) for key in keys))
                # The question is one of them.
                assert [now - was for now, was in zip(reads(), before, strict=True)] == [2, 2, 2]
                got = await asyncio.gather(*(get(client, key) for key in keys))
                assert got == [key.encode() for key in keys]
                assert _redirections(three, "MOVED") == redirections

    asyncio.run(scenario())


def test_a_script_that_a_node_does_not_know_is_told_to_it(three: Cluster) -> None:
    """To each, also after one forgot it."""

    async def scenario() -> None:
        keys = [unused() for _ in range(30)]
        async with opened(three.url) as client:
            for turn in (1, 2):
                counts = await asyncio.gather(*(_raised(client, key) for key in keys))
                assert counts == [turn] * 30
                _say(three.nodes[turn], "SCRIPT", "FLUSH")

    asyncio.run(scenario())


def test_keys_of_two_slots_are_a_mistake(three: Cluster) -> None:
    """Which is told, not tried again."""

    async def scenario() -> None:
        async with opened(three.url) as client:
            with pytest.raises(RepositoryError, match="CROSSSLOT"):
                await client.run(_BOTH, ["{a}", "{b}"])

    asyncio.run(scenario())


def test_a_slot_that_moved_is_found_again(three: Cluster) -> None:
    """Its writes are carried out once, at its new node; who is redirected learns from it."""

    async def scenario() -> None:
        key = unused()
        move = _Move(three, _slot(key))
        async with opened(three.url) as client:
            assert await _raised(client, key) == 1
            before = _redirections(three, "MOVED")
            move.begin()
            move.take(key)
            move.end()
            try:
                counts = await asyncio.gather(*(_raised(client, key) for _ in range(5)))
                assert sorted(counts) == [2, 3, 4, 5, 6]
                assert _redirections(three, "MOVED") == before + 5
                assert await _raised(client, key) == 7
                assert await get(client, key) == b"7"
                assert _redirections(three, "MOVED") == before + 5
            finally:
                move.back()

    asyncio.run(scenario())


def test_a_key_is_reached_while_its_slot_is_on_its_way(three: Cluster) -> None:
    """What has gone, and what is new, at the new node; what hasn't, at the old one."""

    async def scenario() -> None:
        tag = unused()
        gone, here, new = (f"{{{tag}}}:{name}" for name in ("gone", "here", "new"))
        move = _Move(three, _slot(gone))
        async with opened(three.url) as client:
            await asyncio.gather(_raised(client, gone), _raised(client, here))
            move.begin()
            move.take(gone)
            try:
                for turn in (2, 3):
                    keys = (gone, here, new)
                    counts = await asyncio.gather(*(_raised(client, key) for key in keys))
                    assert counts == [turn, turn, turn - 1]
                move.take(here)
                move.end()
                assert await asyncio.gather(
                    *(client.run(READ, [key]) for key in (gone, here, new))
                ) == [b"3", b"3", b"2"]
            finally:
                move.back()

    asyncio.run(scenario())


def test_a_script_waits_for_keys_that_are_in_two_places(three: Cluster) -> None:
    """Until the last of them has come."""

    async def scenario() -> None:
        tag = unused()
        first, second = f"{{{tag}}}:1", f"{{{tag}}}:2"
        move = _Move(three, _slot(first))
        async with opened(three.url) as client:
            await asyncio.gather(put(client, first, "1"), put(client, second, "2"))
            before = _redirections(three, "TRYAGAIN")
            move.begin()
            move.take(first)
            try:
                reading = asyncio.create_task(client.run(_BOTH, [first, second]))
                while _redirections(three, "TRYAGAIN") == before:
                    await get(client, unused())
                move.take(second)
                move.end()
                assert await reading == [b"1", b"2"]
            finally:
                move.back()

    asyncio.run(scenario())


def test_a_caller_cancelled_on_their_way_to_another_node_leaves_no_trace(three: Cluster) -> None:
    """Whoever comes after them is redirected as they must be."""

    async def scenario() -> None:
        dice = random.Random(1)
        tag = unused()
        key = f"{{{tag}}}:gone"
        move = _Move(three, _slot(key))
        async with opened(three.url) as client, opened(three.url) as other:
            await put(client, key, "0")
            move.begin()
            move.take(key)
            try:
                for turn in range(40):
                    victims = [asyncio.create_task(get(client, key)) for _ in range(3)]
                    for _ in range(dice.randrange(6)):
                        await asyncio.sleep(0)
                    for victim in victims:
                        victim.cancel()
                    await client.run(RAISED, [key], [1])
                    assert await get(client, key) == str(turn + 1).encode()
                    assert await get(other, key) == str(turn + 1).encode()
            finally:
                move.back()

    asyncio.run(scenario())


def test_each_caller_gets_their_own_reply_while_slots_move(three: Cluster) -> None:
    """Back and forth, with callers cancelled at random."""

    async def work(client: Client, key: str) -> None:
        for turn in range(1, 31):
            assert await _raised(client, key) == turn
            assert await get(client, key) == str(turn).encode()

    async def scenario() -> None:
        tag = unused()
        keys = [f"{{{tag}}}:{n}" for n in range(5)] + [unused() for _ in range(20)]
        move = _Move(three, _slot(tag))
        async with opened(three.url) as client:
            working = [asyncio.create_task(work(client, key)) for key in keys]
            for _ in range(20):
                victims = [asyncio.create_task(get(client, key)) for key in keys]
                await asyncio.sleep(0)
                for victim in victims:
                    victim.cancel()
            move.begin()
            for key in keys[:5]:
                await asyncio.sleep(0.005)
                move.take(key)
            move.end()
            try:
                await asyncio.gather(*working)
            finally:
                move.back()

    asyncio.run(scenario())


def test_every_key_of_every_node_is_named(three: Cluster) -> None:
    """None twice, while nothing moves."""

    async def scenario() -> None:
        name = unused()
        keys = sorted(f"{name}:{n}" for n in range(300))
        async with opened(three.url) as client:
            await asyncio.gather(*(put(client, key) for key in keys))
            named = [key async for batch in client.scan(f"{name}:*") for key in batch]
        assert sorted(named) == keys

    asyncio.run(scenario())


def test_what_is_published_at_any_node_is_heard(three: Cluster) -> None:
    """Wherever the subscription is."""

    async def scenario() -> None:
        channel = unused()
        async with opened(three.url) as client, client.listen(channel) as notices:
            for node in three.nodes:
                _say(node, "PUBLISH", channel, "!")
                assert await notices.wait(_LONG)

    asyncio.run(scenario())


def test_a_failover_is_not_seen_by_who_comes_then(paired: Cluster) -> None:
    """Whoever was in flight is told; what comes after is carried out by the replica."""

    async def scenario() -> None:
        key = "survives"
        dying = paired.primary_of(_slot(key))
        async with opened(paired.nodes[1].url, deadline=30) as client:
            assert await _raised(client, key) == 1
            await client.execute("WAIT", 1, 1000, key=key, writes=False)
            dying.pause()
            calls = [asyncio.create_task(outcome(_raised(client, key))) for _ in range(3)]
            reading = asyncio.create_task(outcome(get(client, key)))
            for _ in range(5):
                await asyncio.sleep(0)
            dying.kill()
            assert await asyncio.gather(*calls) == [OutcomeUnknownError] * 3
            assert await reading is StoreUnavailableError
            assert await _raised(client, key) == 2
            assert await get(client, key) == b"2"

    asyncio.run(scenario())


def test_a_subscription_moves_to_another_node(paired: Cluster) -> None:
    """When its own dies: listeners are woken, and hear what is published at those that live."""

    async def scenario() -> None:
        async with opened(paired.url) as client, client.listen("channel") as notices:
            (heard,) = [node for node in paired.nodes if _subscribers(node)]
            heard.kill()
            assert await notices.wait(_LONG)
            others = [node for node in paired.nodes if node is not heard]
            while not any(map(_subscribers, others)):
                await notices.wait(_SHORT)
            await notices.wait(_SHORT)
            _say(others[0], "PUBLISH", "channel", "!")
            assert await notices.wait(_LONG)

    def _subscribers(node: Node) -> int:
        with node.client() as client:
            return int(client.pubsub_numsub("channel")[0][1])

    asyncio.run(scenario())


def test_without_a_node_its_keys_are_unavailable_and_the_rest_is_not() -> None:
    """Until it is back; nobody hangs."""

    async def scenario(nodes: Cluster) -> None:
        lost, kept = (
            next(
                key for n in range(99) if nodes.primary_of(_slot(key := f"k{n}")) is nodes.nodes[i]
            )
            for i in (0, 1)
        )
        async with opened(nodes.url, deadline=0.5) as client:
            await asyncio.gather(put(client, lost), put(client, kept))
            nodes.nodes[0].kill()
            assert await outcome(get(client, lost)) is StoreUnavailableError
            with pytest.raises(StoreUnavailableError):
                await client.check()
            async with opened(nodes.nodes[1].url, deadline=0.5) as other:
                assert await outcome(put(other, lost)) is StoreUnavailableError
            assert await put(client, kept) == b"OK"
            nodes.nodes[0].start()
            # It waits for two seconds, of its own clock, before it serves again.
            assert nodes.clock is not None
            show(nodes.clock, _NOW + timedelta(minutes=1))
            while await outcome(put(client, lost)) is not None:
                pass
            await client.check()

    with cluster(_NOW) as nodes:
        asyncio.run(scenario(nodes))


def test_a_node_that_stands_still_holds_nobody_beyond_the_deadline() -> None:
    """Who needs another isn't held at all."""

    async def scenario(nodes: Cluster) -> None:
        keys = [f"k{n}" for n in range(12)]
        still = nodes.nodes[0]
        async with opened(nodes.url, deadline=0.5) as client:
            await asyncio.gather(*(put(client, key) for key in keys))
            still.pause()
            for errors in ({OutcomeUnknownError}, {StoreTimeoutError, StoreUnavailableError}):
                outcomes = await asyncio.gather(*(outcome(put(client, key)) for key in keys))
                for key, told in zip(keys, outcomes, strict=True):
                    assert told in (errors if nodes.primary_of(_slot(key)) is still else {None})
            still.resume()
            while await outcome(client.check()) is not None:
                pass
            assert await asyncio.gather(*(get(client, key) for key in keys)) == [b"x"] * 12

    with cluster(_NOW) as nodes:
        asyncio.run(scenario(nodes))


def test_closing_ends_who_is_on_their_way() -> None:
    """Also who waits for a node that doesn't come back."""

    async def scenario(nodes: Cluster) -> None:
        async with opened(nodes.url) as client:
            await asyncio.gather(*(put(client, unused()) for _ in range(20)))
            for node in nodes.nodes:
                node.kill()
            calls = [asyncio.create_task(outcome(put(client, unused()))) for _ in range(20)]
            for _ in range(50):
                await asyncio.sleep(0)
            await client.close()
            assert set(await asyncio.gather(*calls)) <= {StoreUnavailableError, OutcomeUnknownError}

    with cluster(_NOW) as nodes:
        asyncio.run(scenario(nodes))
