"""Which servers there are, and where they answer."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

import attrs

ServerKind = Literal["postgres", "mongo", "valkey"]

KINDS: tuple[ServerKind, ...] = get_args(ServerKind)


def _unchangeable(urls: Mapping[ServerKind, str]) -> Mapping[ServerKind, str]:
    return MappingProxyType(dict(urls))


@attrs.frozen(repr=False)
class ServerUrls:
    """Where the servers that were asked for answer, passwords included.

    Its repr masks the passwords. The URL of a server that was not asked for is a LookupError.
    """

    by_kind: Mapping[ServerKind, str] = attrs.field(converter=_unchangeable)
    owners: Mapping[ServerKind, str] = attrs.field(converter=_unchangeable, factory=dict)
    """Of servers that tell apart who owns the data's form and who works with the data: the
    owner's URL."""

    @property
    def postgres(self) -> str:
        """``postgresql://…/dialogbase``, as services connect: row-level security holds for the
        role, and it owns nothing.
        """
        return self._of("postgres")

    @property
    def postgres_owner(self) -> str:
        """The same database for who migrates it: the role owns it, may create others, and is no
        superuser. `postgres`, unless there is one apart.
        """
        return self.owners.get("postgres") or self.postgres

    @property
    def mongo(self) -> str:
        """``mongodb://…/dialogbase``: a replica set of one member, its primary elected."""
        return self._of("mongo")

    @property
    def valkey(self) -> str:
        """``redis://…/0``."""
        return self._of("valkey")

    def _of(self, kind: ServerKind) -> str:
        try:
            return self.by_kind[kind]
        except KeyError:
            asked = ", ".join(sorted(self.by_kind)) or "none"
            raise LookupError(
                f"no {kind} server was asked for (only: {asked}); add it to servers({{…}})"
            ) from None

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{kind}={re.sub(r':[^:@/]+@', ':***@', url)!r}"
            for kind, url in [
                *sorted(self.by_kind.items()),
                *((f"{kind}_owner", url) for kind, url in sorted(self.owners.items())),
            ]
        )
        return f"ServerUrls({shown})"
