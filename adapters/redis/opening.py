"""A client for whatever answers at a URL."""

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
    node = Node(Endpoint.of(url), options.deadline)
    try:
        return await _client(node, options)
    except BaseException:
        await node.close()
        raise


async def _client(node: Node, options: RedisOptions) -> Client:
    reply = await node.send(pack(("HELLO",)))
    if isinstance(reply, Failure):
        raise reply.error(writes=False)
    if not isinstance(reply, list):
        raise StoreUnavailableError("what answers there isn't Redis")
    told = (value for name, value in zip(reply[::2], reply[1::2], strict=False) if name == b"mode")
    match next(told, None):
        case b"sentinel":
            raise StoreUnavailableError("this is a Sentinel, not a server that keeps data")
        case b"cluster":
            return await ClusterClient.begun(node, options)
        case _:
            return StandaloneClient(node, options)
