"""A cluster whose slots move while they are used."""

import asyncio
import random

from adapters.redis.client import Client
from adapters.redis.scripts import Script
from tests.redis.opening import RAISED, READ, get, opened, put, unused
from tests.redis.slots import Move, raised, redirections, slot
from tests.valkey import Cluster

_BOTH = Script("return redis.call('MGET', KEYS[1], KEYS[2])", writes=False)


def test_a_slot_that_moved_is_found_again(three: Cluster) -> None:
    """Its writes are carried out once, at its new node; who is redirected learns from it."""

    async def scenario() -> None:
        key = unused()
        move = Move(three, slot(key))
        async with opened(three.url) as client:
            assert await raised(client, key) == 1
            before = redirections(three, "MOVED")
            move.begin()
            move.take(key)
            move.end()
            try:
                counts = await asyncio.gather(*(raised(client, key) for _ in range(5)))
                assert sorted(counts) == [2, 3, 4, 5, 6]
                assert redirections(three, "MOVED") == before + 5
                assert await raised(client, key) == 7
                assert await get(client, key) == b"7"
                assert redirections(three, "MOVED") == before + 5
            finally:
                move.back()

    asyncio.run(scenario())


def test_a_key_is_reached_while_its_slot_is_on_its_way(three: Cluster) -> None:
    """What has gone, and what is new, at the new node; what hasn't, at the old one."""

    async def scenario() -> None:
        tag = unused()
        gone, here, new = (f"{{{tag}}}:{name}" for name in ("gone", "here", "new"))
        move = Move(three, slot(gone))
        async with opened(three.url) as client:
            await asyncio.gather(raised(client, gone), raised(client, here))
            move.begin()
            move.take(gone)
            try:
                for turn in (2, 3):
                    keys = (gone, here, new)
                    counts = await asyncio.gather(*(raised(client, key) for key in keys))
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
        move = Move(three, slot(first))
        async with opened(three.url) as client:
            await asyncio.gather(put(client, first, "1"), put(client, second, "2"))
            before = redirections(three, "TRYAGAIN")
            move.begin()
            move.take(first)
            try:
                reading = asyncio.create_task(client.run(_BOTH, [first, second]))
                while redirections(three, "TRYAGAIN") == before:
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
        move = Move(three, slot(key))
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
            assert await raised(client, key) == turn
            assert await get(client, key) == str(turn).encode()

    async def scenario() -> None:
        tag = unused()
        keys = [f"{{{tag}}}:{n}" for n in range(5)] + [unused() for _ in range(20)]
        move = Move(three, slot(tag))
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
