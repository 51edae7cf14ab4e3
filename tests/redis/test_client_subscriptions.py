"""What is published is heard, on one connection, which may be lost."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from adapters.redis.client import Client, Notices
from adapters.redis.endpoint import Endpoint
from adapters.redis.subscriptions import Subscriptions
from ports.errors import RepositoryError, StoreTimeoutError, StoreUnavailableError
from tests.redis.opening import impostor, opened, outcome, unused
from tests.valkey import HOST, Node
from tests.wire import Wire

_LONG = 60.0


async def _publish(client: Client, channel: str) -> int:
    heard: int = await client.execute("PUBLISH", channel, "!", key=channel, writes=False)
    return heard


async def _subscribed(client: Client, *channels: str) -> list[int]:
    counted = await client.execute("PUBSUB", "NUMSUB", *channels, key="any", writes=False)
    return list(counted[1::2])


async def _until(client: Client, channel: str, subscribers: int) -> None:
    while await _subscribed(client, channel) != [subscribers]:
        pass


async def _nothing(notices: Notices) -> bool:
    return not await notices.wait(0.01)


def test_what_is_published_from_the_blocks_entry_on_is_heard(shared: Node) -> None:
    """Also by who only waits for it later; once, and not what is said on other channels."""

    async def scenario() -> None:
        one, other = unused(), unused()
        async with opened(shared.url) as client, client.listen(one) as notices:
            assert await _nothing(notices)
            assert await _publish(client, one) == 1
            assert await notices.wait(_LONG)
            assert await _nothing(notices)
            await _publish(client, other)
            assert await _nothing(notices)
            await asyncio.gather(*(_publish(client, one) for _ in range(3)))
            assert await notices.wait(_LONG)

    asyncio.run(scenario())


def test_all_who_listen_to_a_channel_hear_it(shared: Node) -> None:
    """The server knows of one subscription, until the last of them leaves."""

    async def scenario() -> None:
        channel = unused()
        async with opened(shared.url) as client:
            async with AsyncExitStack() as stack:
                listeners = [
                    await stack.enter_async_context(client.listen(channel)) for _ in range(3)
                ]
                async with client.listen(channel):
                    assert await _publish(client, channel) == 1
                assert all([await heard.wait(_LONG) for heard in listeners])
                assert await _subscribed(client, channel) == [1]
            await _until(client, channel, 0)

    asyncio.run(scenario())


def test_many_who_enter_and_leave_at_once_hear_what_they_must(shared: Node) -> None:
    """Whoever entered hears what is published then, whoever left or was cancelled meanwhile."""

    async def listen(client: Client, channel: str) -> None:
        async with client.listen(channel) as notices:
            await _publish(client, channel)
            assert await notices.wait(_LONG)

    async def scenario() -> None:
        channels = [unused() for _ in range(3)]
        async with opened(shared.url) as client:
            for turn in range(30):
                calls = [
                    asyncio.create_task(listen(client, channels[n % 3]))
                    for n in range(turn % 7 + 1)
                ]
                for _ in range(turn % 5):
                    await asyncio.sleep(0)
                calls[-1].cancel()
                assert set(await asyncio.gather(*map(outcome, calls[:-1]))) <= {None}
                await asyncio.wait([calls[-1]])
            for channel in channels:
                await _until(client, channel, 0)

    asyncio.run(scenario())


def test_all_of_a_clients_subscriptions_share_one_connection(own: Node) -> None:
    """Beside the one of its commands."""

    async def scenario() -> None:
        async with opened(own.url) as client, AsyncExitStack() as stack:
            for _ in range(10):
                await stack.enter_async_context(client.listen(unused()))
            with own.client() as beside:
                subscribed = [int(each["sub"]) for each in beside.client_list()]
            assert sorted(subscribed)[-2:] == [0, 10]

    asyncio.run(scenario())


def test_who_waits_is_woken_when_the_connection_is_lost(own: Node) -> None:
    """Told to look again, then and when it is heard again; and hears what is published then."""

    async def scenario() -> None:
        async with opened(own.url) as client, client.listen("channel") as notices:
            waiting = asyncio.create_task(notices.wait(_LONG))
            await asyncio.sleep(0)
            own.kill()
            assert await waiting
            with pytest.raises(StoreUnavailableError):
                async with client.listen("channel"):
                    pass
            own.start()
            assert await notices.wait(_LONG)
            await _until(client, "channel", 1)
            await _publish(client, "channel")
            assert await notices.wait(_LONG)

    asyncio.run(scenario())


def test_a_subscription_survives_a_cut_wire(shared: Node) -> None:
    """The server hears of it again, and its listeners are woken: they may have missed something."""

    async def scenario() -> None:
        channel = unused()
        async with (
            opened(shared.url) as publisher,
            Wire.to(shared.url) as (wire, far),
            opened(far) as client,
            client.listen(channel) as notices,
        ):
            for _ in range(3):
                wire.cut()
                assert await notices.wait(_LONG)
                while await _publish(publisher, channel) != 1:
                    pass
                assert await notices.wait(_LONG)

    asyncio.run(scenario())


def test_a_server_that_falls_silent_counts_as_lost(own: Node) -> None:
    """Nobody has to publish for that to be seen."""

    async def scenario() -> None:
        async with opened(own.url, deadline=0.2) as client, client.listen("channel") as notices:
            own.pause()
            assert await notices.wait(_LONG)
            own.resume()
            assert await notices.wait(_LONG)

    asyncio.run(scenario())


def test_nobody_enters_unheard(own: Node) -> None:
    """A server that stands still, is gone, or refuses the channel is an error on entry."""

    async def enter(client: Client) -> None:
        async with client.listen("channel"):
            raise AssertionError("entered")

    async def scenario() -> None:
        with own.client() as beside:
            beside.execute_command(
                "ACL", "SETUSER", "deaf", "on", ">word", "+@all", "resetchannels"
            )
        async with opened(f"redis://deaf:word@{HOST}:{own.port}/0") as client:
            with pytest.raises(RepositoryError, match="NOPERM"):
                await enter(client)
        async with opened(own.url, deadline=0.2) as client:
            own.pause()
            with pytest.raises((StoreTimeoutError, StoreUnavailableError)):
                await enter(client)
            own.kill()
            with pytest.raises(StoreUnavailableError):
                await enter(client)

    asyncio.run(scenario())


async def _entered(subscriptions: Subscriptions, channel: str) -> None:
    async with subscriptions.listen(channel):
        pass


def test_servers_that_stand_still_hold_a_subscription_up_and_no_more(shared: Node) -> None:
    """It finds the next, however long it tried others, and is looked after there."""

    async def scenario() -> None:
        async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(-1)
            writer.close()

        channel = unused()
        async with (
            Wire.to(shared.url) as (wire, far),
            impostor(nothing) as still,
            opened(shared.url) as client,
        ):
            places = [Endpoint.of(url) for url in (still, still, far)]
            subscriptions = Subscriptions(lambda: places, 0.2)
            while await outcome(_entered(subscriptions, channel)):
                pass
            async with subscriptions.listen(channel) as notices:
                await _until(client, channel, 1)
                await _publish(client, channel)
                assert await notices.wait(_LONG)
                wire.losing = True
                assert await notices.wait(_LONG)
            await subscriptions.close()

    asyncio.run(scenario())


def test_closing_wakes_who_waits(shared: Node) -> None:
    """And nobody enters any more."""

    async def scenario() -> None:
        async with opened(shared.url) as client:
            async with client.listen(unused()) as notices:
                waiting = asyncio.create_task(notices.wait(_LONG))
                await asyncio.sleep(0)
                await client.close()
                assert await waiting
            with pytest.raises(StoreUnavailableError):
                async with client.listen(unused()):
                    pass

    asyncio.run(scenario())


def test_a_wait_ends_when_its_time_has_passed(shared: Node) -> None:
    """Or when its caller is cancelled, after which others go on hearing."""

    async def scenario() -> None:
        channel = unused()
        async with opened(shared.url) as client, client.listen(channel) as notices:
            assert not await notices.wait(0)
            waiting = asyncio.create_task(notices.wait(_LONG))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
            await _publish(client, channel)
            assert await notices.wait(_LONG)

    asyncio.run(scenario())
