"""Slots of a cluster, and how they move."""

from datetime import UTC, datetime

from redis.crc import key_slot

from adapters.redis.client import Client
from tests.redis.opening import RAISED
from tests.valkey import HOST, Cluster, Node

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
"""Where the clocks of clusters stand that don't need the machine's."""


def slot(key: str) -> int:
    """The slot of a key."""
    return key_slot(key.encode())


def _id(node: Node) -> str:
    with node.client() as client:
        name: bytes = client.execute_command("CLUSTER", "MYID")
    return name.decode()


def say(node: Node, *command: str | int) -> None:
    """A command to one node, as it is."""
    with node.client() as client:
        client.execute_command(*command)


class Move:
    """A slot on its way from its primary to another."""

    def __init__(self, nodes: Cluster, slot: int) -> None:
        self.slot = slot
        self.source = nodes.primary_of(slot)
        self.target = next(node for node in nodes.nodes if node is not self.source)
        self._primaries = nodes.nodes[:3]

    def begin(self) -> None:
        """From now on, what is new goes to the new node."""
        say(self.target, "CLUSTER", "SETSLOT", self.slot, "IMPORTING", _id(self.source))
        say(self.source, "CLUSTER", "SETSLOT", self.slot, "MIGRATING", _id(self.target))

    def take(self, *keys: str) -> None:
        """These keys go there."""
        say(self.source, "MIGRATE", HOST, self.target.port, "", 0, 5000, "KEYS", *keys)

    def end(self) -> None:
        """It is there."""
        for node in (self.target, self.source, *self._primaries):
            say(node, "CLUSTER", "SETSLOT", self.slot, "NODE", _id(self.target))

    def back(self) -> None:
        """It is where it was; all that its node holds is dropped."""
        say(self.target, "FLUSHALL")
        for node in (self.source, self.target, *self._primaries):
            say(node, "CLUSTER", "SETSLOT", self.slot, "NODE", _id(self.source))


def redirections(nodes: Cluster, kind: str) -> int:
    """How often the nodes answered so."""
    count = 0
    for node in nodes.nodes:
        with node.client() as client:
            errors = client.info("errorstats")
        count += errors.get(f"errorstat_{kind}", {"count": 0})["count"]
    return count


async def raised(client: Client, key: str) -> int:
    """What a counter stands at after it was raised by one."""
    count: int = await client.run(RAISED, [key], [1])
    return count
