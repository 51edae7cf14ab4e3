"""Every operation of a tenant's ports: what it writes with, or that it only reads or deletes.

Operations that name a user are refused when that user was erased; all that write, when the tenant
was. What each is called with stands in `late_authoring` and `late_hot`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count
from typing import Any, Final, TypeAlias

import attrs

from domain.identity import UserId

Port: TypeAlias = Any
Write: TypeAlias = "Callable[[Port, Given], Awaitable[object]]"

_next = count()


def fresh() -> str:
    """A name that nothing has."""
    return f"late {next(_next)}"


@attrs.frozen
class Given:
    """What there was before somebody was erased: of the user, and of the tenant."""

    user: UserId
    made: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.made[name]


@attrs.frozen
class Late:
    """A write: by which port and operation. `users`: it names the user."""

    port: str
    verb: str
    write: Write
    users: bool

    def __str__(self) -> str:
        return f"{self.port}.{self.verb}"

    def into(self, holder: Any, given: Given) -> Awaitable[object]:
        """Begin it, on a scope or within a unit of work."""
        return self.write(getattr(holder, self.port), given)


@attrs.frozen
class Operations:
    """All operations of a port, by their names.

    `writes`: how each is called; what follows a blank tells two ways from each other. `users`:
    those that name the user. `deletions`: never refused, and run last. `reads`: never refused.
    """

    kind: type
    writes: Mapping[str, Write]
    users: frozenset[str] = frozenset()
    deletions: Mapping[str, Write] = attrs.field(factory=dict)
    reads: frozenset[str] = frozenset()

    def late(self, port: str) -> Sequence[Late]:
        """Its writes, in an order in which each can be done after those before it."""
        return [
            Late(port, name.partition(" ")[0], write, name in self.users)
            for name, write in self.writes.items()
        ]

    @property
    def known(self) -> set[str]:
        """The names of all that are told of here."""
        verbs = {name.partition(" ")[0] for name in (*self.writes, *self.deletions)}
        return verbs | self.reads


READING: Final = frozenset(
    {"count", "exists", "get_by_id", "get_many", "list", "require", "scan", "stream"}
)
"""What every repository and log reads by."""


async def changed(repository: Port, id: Any, **fields: Any) -> object:
    """An update of an entity as it stands."""
    return await repository.update(attrs.evolve(await repository.require(id), **fields))
