"""A cluster of several nodes, which may stand still and die."""

import asyncio
from contextlib import ExitStack
from datetime import timedelta

import pytest

from adapters.redis.cluster import ClusterClient
from adapters.redis.scripts import Script
from ports.errors import (
    OutcomeUnknownError,
    RepositoryError,
    StoreTimeoutError,
    StoreUnavailableError,
)
from tests.redis.opening import get, opened, outcome, put, unused
from tests.redis.slots import BEGUN, raised, redirections, say, slot
from tests.valkey import Cluster, Node, cluster, show

_BOTH = Script("return redis.call('MGET', KEYS[1], KEYS[2])", writes=False)
_LONG = 60.0
_SHORT = 0.01


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
                told = redirections(three, "MOVED")
                before = reads()
                await asyncio.gather(*(put(client, key, key) for key in keys))
                # The question is one of them.
                assert [now - was for now, was in zip(reads(), before, strict=True)] == [2, 2, 2]
                got = await asyncio.gather(*(get(client, key) for key in keys))
                assert got == [key.encode() for key in keys]
                assert redirections(three, "MOVED") == told

    asyncio.run(scenario())


def test_a_script_that_a_node_does_not_know_is_told_to_it(three: Cluster) -> None:
    """To each, also after one forgot it."""

    async def scenario() -> None:
        keys = [unused() for _ in range(30)]
        async with opened(three.url) as client:
            for turn in (1, 2):
                counts = await asyncio.gather(*(raised(client, key) for key in keys))
                assert counts == [turn] * 30
                say(three.nodes[turn], "SCRIPT", "FLUSH")

    asyncio.run(scenario())


def test_keys_of_two_slots_are_a_mistake(three: Cluster) -> None:
    """Which is told, not tried again."""

    async def scenario() -> None:
        async with opened(three.url) as client:
            with pytest.raises(RepositoryError, match="CROSSSLOT"):
                await client.run(_BOTH, ["{a}", "{b}"])

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
                say(node, "PUBLISH", channel, "!")
                assert await notices.wait(_LONG)

    asyncio.run(scenario())


def test_a_failover_is_not_seen_by_who_comes_then(paired: Cluster) -> None:
    """Whoever was in flight is told; what comes after is carried out by the replica."""

    async def scenario() -> None:
        key = "survives"
        dying = paired.primary_of(slot(key))
        async with opened(paired.nodes[1].url, deadline=30) as client:
            assert await raised(client, key) == 1
            await client.execute("WAIT", 1, 1000, key=key, writes=False)
            dying.pause()
            calls = [asyncio.create_task(outcome(raised(client, key))) for _ in range(3)]
            reading = asyncio.create_task(outcome(get(client, key)))
            for _ in range(5):
                await asyncio.sleep(0)
            dying.kill()
            assert await asyncio.gather(*calls) == [OutcomeUnknownError] * 3
            assert await reading is StoreUnavailableError
            assert await raised(client, key) == 2
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
            say(others[0], "PUBLISH", "channel", "!")
            assert await notices.wait(_LONG)

    def _subscribers(node: Node) -> int:
        with node.client() as client:
            return int(client.pubsub_numsub("channel")[0][1])

    asyncio.run(scenario())


def test_without_a_node_its_keys_are_unavailable_and_the_rest_is_not() -> None:
    """Until it is back; nobody hangs."""

    async def scenario(nodes: Cluster) -> None:
        lost, kept = (
            next(key for n in range(99) if nodes.primary_of(slot(key := f"k{n}")) is nodes.nodes[i])
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
            show(nodes.clock, BEGUN + timedelta(minutes=1))
            while await outcome(put(client, lost)) is not None:
                pass
            await client.check()

    with cluster(BEGUN) as nodes:
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
                    assert told in (errors if nodes.primary_of(slot(key)) is still else {None})
            still.resume()
            while await outcome(client.check()) is not None:
                pass
            assert await asyncio.gather(*(get(client, key) for key in keys)) == [b"x"] * 12

    with cluster(BEGUN) as nodes:
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

    with cluster(BEGUN) as nodes:
        asyncio.run(scenario(nodes))
