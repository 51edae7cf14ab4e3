"""Sweeps: what each store's maintenance does so that nothing is kept for longer than it should.

What is kept how long stands in `domain.retention`; the sweep over all of it in `ports.sweeping`.
Every operation here deletes in batches, each found by index: interrupted, it may be called again
and goes on; any number may do it at once, and each thing that went is counted by one of them alone.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final, TypeAlias

from domain.audit import AuditEntry, AuditHead
from domain.audit_chain import ChainCheck
from domain.identity import TenantId, UserId
from domain.retention import Swept
from domain.rules import argument, instant, one_of
from ports.audit import AUDIT_SCHEMA, SEAL_BATCH
from ports.batches import check_total, in_batches
from ports.conversations import IDLE_BATCH
from ports.errors import CorruptRecordError, UnsupportedOperationError

PURGE_BATCH: Final = 100
CALL_BATCH: Final = 1_000
EVENT_BATCH: Final = 1_000
AUDIT_BATCH: Final = 250
TENANT_BATCH: Final = 500
"""How many tenants' names are asked for at a time."""

_KIND: Final = one_of(Swept)

Batch: TypeAlias = Callable[[TenantId, int], Awaitable[tuple[int, bool]]]
"""Of a tenant at most so many: how many it were, and whether there may be more."""


class Sweeping:
    """What can say how much a sweep would find."""

    async def due(self, kind: Swept, until: datetime) -> int:
        """How many of a kind a sweep up to that time would find now, in all tenants; it changes
        nothing. Counted by index, at a cost that grows with the number.

        Raises:
            UnsupportedOperationError: if this store holds nothing of the kind.
            ValidationError: for a time or kind that is none.
        """
        wanted = argument("maintenance", "kind", kind, _KIND)
        return await self._due(wanted, argument("maintenance", "until", until, instant))

    async def _due(self, kind: Swept, until: datetime) -> int:
        raise UnsupportedOperationError(f"this store holds no {kind.replace('_', ' ')}")


class AuthoringSweeps(Sweeping, ABC):
    """What is swept of authoring data."""

    async def purge_calls(self, before: datetime, *, limit: int | None = None) -> int:
        """Remove the calls made before a time (exclusive) from the logs of all integrations of all
        tenants, tenant by tenant, each one's oldest first; how many, at most `limit`. What was
        counted of them stays counted.

        Raises:
            ValidationError, InvalidQueryError: for a time or limit that is none.
        """
        until = argument("maintenance", "before", before, instant)
        batch = partial(self._purge_calls, until)
        tenants = self._with_old(Swept.INTEGRATION_CALLS, until)
        return await _of_all(tenants, batch, limit, CALL_BATCH)

    async def purge_audit(self, before: datetime, *, limit: int | None = None) -> int:
        """Remove the entries from before a time (exclusive) at the beginning of every tenant's
        chain, after sealing what isn't; how many, at most `limit`.

        What is left can be verified as before; see `ports.audit`. In batches of at most 250, each
        one step. Where the chain is broken nothing more is removed of it, so that what shows it
        stays; the other tenants' are gone through all the same, and then it is told. Of a tenant
        that is being erased nothing is told: its chain is broken by that.

        Raises:
            CorruptRecordError: if a tenant's chain is broken at its beginning: `verify` says more.
            ValidationError, InvalidQueryError: for a time or limit that is none.
        """
        until = argument("maintenance", "before", before, instant)
        failures: list[CorruptRecordError] = []

        async def batch(tenant: TenantId, limit: int) -> tuple[int, bool]:
            try:
                while await self.seal_audit(tenant) == SEAL_BATCH:
                    pass
                return await self._purge_audit(until, tenant, limit)
            except CorruptRecordError as failure:
                if not await self._stands(tenant, None):
                    failures.append(failure)
                return 0, False

        tenants = self._with_old(Swept.AUDIT_ENTRIES, until)
        purged = await _of_all(tenants, batch, limit, AUDIT_BATCH)
        if failures:
            raise failures[0]
        return purged

    async def _due(self, kind: Swept, until: datetime) -> int:
        if kind not in (Swept.INTEGRATION_CALLS, Swept.AUDIT_ENTRIES):
            return await super()._due(kind, until)
        return sum([await self._old(kind, t, until) async for t in self._with_old(kind, until)])

    # What a store implements.

    @abstractmethod
    async def seal_audit(self, tenant: TenantId, limit: int = SEAL_BATCH) -> int:
        """As a tenant's `AuditLog.seal`, for whoever has no scope of it."""

    @abstractmethod
    async def _stands(self, tenant: TenantId, user: UserId | None) -> bool:
        """Whether there is a tombstone."""

    @abstractmethod
    def _with_old(self, kind: Swept, before: datetime) -> AsyncIterator[TenantId]:
        """The tenants with calls or entries from before a time, each once; by index."""

    @abstractmethod
    async def _old(self, kind: Swept, tenant: TenantId, before: datetime) -> int:
        """How many of a tenant's would go: of its entries, those from before the time that nothing
        younger is ahead of, sealed or to be sealed next."""

    @abstractmethod
    async def _purge_calls(
        self, before: datetime, tenant: TenantId, limit: int
    ) -> tuple[int, bool]: ...

    @abstractmethod
    async def _purge_audit(
        self, before: datetime, tenant: TenantId, limit: int
    ) -> tuple[int, bool]:
        """One batch, in one step with the anchor: as far as `purgeable` says."""


class DialogueSweeps(Sweeping, ABC):
    """What is swept of dialogues."""

    async def close_idle(self, before: datetime, *, limit: int | None = None) -> int:
        """Time out the active conversations in which nothing happened since `before` (exclusive),
        those first in which nothing happened for longest; how many, at most `limit`.

        As `ConversationRepository.close_idle`, for every tenant: one in which something happens
        meanwhile stays active. In batches of at most 1 000 conversations, each found by index;
        interrupted, it may be called again and goes on.

        Raises:
            ValidationError, InvalidQueryError: for a time or limit that is none.
        """
        until = argument("maintenance", "before", before, instant)
        return await in_batches(lambda size: self._close_idle(until, size), limit, IDLE_BATCH)

    async def purge_expired(self, now: datetime, *, limit: int | None = None) -> int:
        """Delete the conversations whose `retain_until` has passed (`now` or earlier), with their
        messages and contexts, whatever their status; how many, at most `limit`, those that expired
        first.

        In batches: a conversation goes whole or not at all, but for a very long one (see
        `ConversationRepository`). One whose `retain_until` is moved on meanwhile stays.
        Interrupted, it may be called again and goes on.

        Raises:
            ValidationError, InvalidQueryError: for a time or limit that is none.
        """
        at = argument("maintenance", "now", now, instant)
        return await in_batches(lambda size: self._purge_expired(at, size), limit, PURGE_BATCH)

    async def purge_ended(self, before: datetime, *, limit: int | None = None) -> int:
        """Delete the conversations that were closed before a time (exclusive: `completed_at`) and
        have no `retain_until`, with their messages and contexts; how many, at most `limit`, those
        that ended first.

        As `purge_expired`: one that is given a `retain_until` meanwhile stays.

        Raises:
            ValidationError, InvalidQueryError: for a time or limit that is none.
        """
        until = argument("maintenance", "before", before, instant)
        return await in_batches(lambda size: self._purge_ended(until, size), limit, PURGE_BATCH)

    # What a store implements: one batch; how many, and whether there may be more.

    @abstractmethod
    async def _close_idle(self, before: datetime, limit: int) -> tuple[int, bool]: ...

    @abstractmethod
    async def _purge_expired(self, now: datetime, limit: int) -> tuple[int, bool]: ...

    @abstractmethod
    async def _purge_ended(self, before: datetime, limit: int) -> tuple[int, bool]: ...


class AnalyticsSweeps(Sweeping, ABC):
    """What is swept of analytics events."""

    async def purge(self, before: datetime, *, limit: int | None = None) -> int:
        """Delete the events that happened before a time (exclusive), tenant by tenant, each one's
        oldest first; how many, at most `limit`.

        In batches of at most 1 000, found by index; interrupted, it may be called again and goes
        on.

        Raises:
            ValidationError, InvalidQueryError: for a time or limit that is none.
        """
        until = argument("maintenance", "before", before, instant)
        batch = partial(self._purge, until)
        return await _of_all(self.tenants(), batch, limit, EVENT_BATCH)

    @abstractmethod
    def tenants(self) -> AsyncIterator[TenantId]:
        """Every tenant that has events."""

    @abstractmethod
    async def _purge(self, before: datetime, tenant: TenantId, limit: int) -> tuple[int, bool]:
        """One batch: how many, and whether there may be more."""


def purgeable(
    anchor: AuditHead, head: AuditHead, entries: Sequence[AuditEntry], before: datetime
) -> AuditHead:
    """The anchor that a chain has once those of its first `entries` (in order) are gone that are
    from before a time; the one that it has if none is.

    Raises:
        CorruptRecordError: for an entry that isn't what was sealed, or not where it was; or if
            there is none, and should be.
    """
    if anchor.sequence > head.sequence or (anchor.sequence < head.sequence and not entries):
        raise CorruptRecordError(AUDIT_SCHEMA.name, None, ("sequence",))
    chain = ChainCheck(head, anchor=anchor)
    for entry in entries:
        if chain.at.sequence >= head.sequence or chain.follow(entry) is not None:
            raise CorruptRecordError(AUDIT_SCHEMA.name, entry.id, ("sequence",))
        if entry.at >= before:
            break
        anchor = chain.at
    return anchor


async def _of_all(
    tenants: AsyncIterator[TenantId], batch: Batch, limit: int | None, size: int
) -> int:
    """What is done of every tenant, up to a limit."""
    check_total(limit)
    done = 0
    async for tenant in tenants:
        left = None if limit is None else limit - done
        if left == 0:
            break
        done += await in_batches(partial(batch, tenant), left, size)
    return done
