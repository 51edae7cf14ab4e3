"""Servers behind TLS."""

import asyncio
import random
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.redis.store import RedisStore
from ports.errors import OutcomeUnknownError, StoreUnavailableError
from tests.redis.opening import echo, get, opened, outcome, put, unused
from tests.valkey import HOST, Node
from tests.wire import Wire


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this host, signed by itself, with its key in the same file."""
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    named = ["-subj", "/CN=test", "-addext", f"subjectAltName=IP:{HOST}"]
    made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command = ["openssl", "req", "-x509", *made, *named, "-keyout", "-", "-out", "-"]
    path.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    return path


@asynccontextmanager
async def _behind_tls(server: Node, certificate: Path) -> AsyncIterator[tuple[Wire, int]]:
    """A wire to a server whose other end is encrypted, and its port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    wire = Wire(HOST, server.port)
    outside = await asyncio.start_server(wire._carry, HOST, 0, ssl=context)
    try:
        yield wire, outside.sockets[0].getsockname()[1]
    finally:
        outside.close()
        await wire._end()


def test_everything_is_the_same_behind_tls(shared: Node, certificate: Path) -> None:
    """Large values, a subscription, a connection that breaks, and one that is made again."""

    async def scenario() -> None:
        large = random.Random(1).randbytes(3_000_000)
        key, channel = unused(), unused()
        async with _behind_tls(shared, certificate) as (wire, port):
            url = f"rediss://{HOST}:{port}/0?ssl_ca_certs={certificate}"
            async with opened(url) as client, client.listen(channel) as notices:
                await asyncio.gather(put(client, key, large), echo(client, "beside"))
                assert await get(client, key) == large
                await client.execute("PUBLISH", channel, "!", key=channel, writes=False)
                assert await notices.wait(60)
                wire.losing = True
                writing = asyncio.create_task(outcome(put(client, key)))
                await wire.lost.wait()
                wire.losing = False
                wire.cut()
                assert await writing is OutcomeUnknownError
                assert await notices.wait(60)
                assert await get(client, key) == b"x"

    asyncio.run(scenario())


def test_a_server_whose_certificate_is_not_trusted_is_not_used(
    shared: Node, certificate: Path
) -> None:
    """Nothing is said to it."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, __: None)
        async with _behind_tls(shared, certificate) as (_, port):
            with pytest.raises(StoreUnavailableError):
                await RedisStore.open(f"rediss://{HOST}:{port}/0")

    asyncio.run(scenario())


def test_a_certificate_that_cannot_be_read_is_a_typed_error(shared: Node) -> None:
    """As any option that can't be used."""

    async def scenario() -> None:
        with pytest.raises(StoreUnavailableError):
            await RedisStore.open(f"rediss://{HOST}:{shared.port}/0?ssl_ca_certs=/nowhere")

    asyncio.run(scenario())
