"""A client for whatever answers at a URL."""

from typing import Any

from adapters.redis.client import Client, RedisOptions
from adapters.redis.cluster import ClusterClient
from adapters.redis.connection import pack
from adapters.redis.endpoint import Endpoint
from adapters.redis.errors import Failure
from adapters.redis.node import Node
from adapters.redis.standalone import StandaloneClient
from ports.errors import StoreUnavailableError


async def open_client(url: str, options: RedisOptions) -> Client:
    """A client of one server or of a cluster: the server says which it is.

    Raises:
        StoreUnavailableError, StoreTimeoutError: if it can't be asked.
    """
    endpoint = Endpoint.of(url)
    node = Node(endpoint, options.deadline)
    try:
        reply = await node.send(pack(("HELLO",)))
    finally:
        await node.close()
    if isinstance(reply, Failure):
        raise reply.error(writes=False)
    match _mode(reply):
        case b"sentinel":
            raise StoreUnavailableError("this is a Sentinel, not a server that keeps data")
        case b"cluster":
            client = ClusterClient(endpoint, options)
            try:
                await client.find()
            except BaseException:
                await client.close()
                raise
            return client
        case _:
            return StandaloneClient(endpoint, options)


def _mode(hello: list[Any]) -> Any:
    return dict(zip(hello[::2], hello[1::2], strict=False)).get(b"mode")
