"""What an erasure did: a receipt of each store."""

from datetime import datetime

from attrs import field, frozen

from domain.erasure import Tombstone
from domain.frozen import FrozenDict
from domain.identity import TenantId, UserId


@frozen(kw_only=True)
class Receipt:
    """Of one store: how many of what went, in all attempts together, and when it was finished.

    `finished_at` is None as long as something may be left.
    """

    store: str
    erased: FrozenDict[str, int] = field(factory=FrozenDict)
    finished_at: datetime | None = None

    @property
    def total(self) -> int:
        """How many went of everything."""
        return sum(self.erased.values())


@frozen(kw_only=True)
class Erasure:
    """The erasure of a tenant, or of a user of it, from all stores.

    `user_id` is known to whoever names the user, and until it is finished; `user_hash` always
    (`domain.erasure.user_hash`), and None for a whole tenant's. `began_at`: since when nothing is
    written of them; `until`: up to when.
    """

    tenant_id: TenantId
    user_id: UserId | None = None
    user_hash: str | None = None
    began_at: datetime
    until: datetime
    receipts: tuple[Receipt, ...]

    @classmethod
    def of(cls, tombstones: dict[str, Tombstone | None]) -> "Erasure":
        """What the stores' tombstones say of it, by the stores' names; one at least has one."""
        standing = [each for each in tombstones.values() if each is not None]
        return cls(
            tenant_id=standing[0].tenant_id,
            user_id=next((each.user_id for each in standing if each.user_id is not None), None),
            user_hash=standing[0].user_hash,
            began_at=min(each.at for each in standing),
            until=max(each.until for each in standing),
            receipts=tuple(
                Receipt(store=store)
                if each is None
                else Receipt(store=store, erased=each.erased, finished_at=each.finished_at)
                for store, each in tombstones.items()
            ),
        )

    @property
    def finished_at(self) -> datetime | None:
        """When the last store was finished; None if one isn't."""
        times = [each.finished_at for each in self.receipts if each.finished_at is not None]
        return max(times) if len(times) == len(self.receipts) else None

    @property
    def total(self) -> int:
        """How many went of everything, in all stores."""
        return sum(each.total for each in self.receipts)

    def of_store(self, store: str) -> Receipt:
        """The receipt of that store.

        Raises:
            LookupError: if there is none of that name.
        """
        for each in self.receipts:
            if each.store == store:
                return each
        raise LookupError(f"no receipt of a store {store!r}")
