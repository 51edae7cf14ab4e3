"""Locks in Redis: a key that expires, a counter of fencing tokens, and a line of who waits."""

from contextlib import AbstractAsyncContextManager
from typing import Final

from adapters.redis.client import Client
from adapters.redis.keys import key
from adapters.redis.scripts import Script
from domain.durations import MILLISECOND
from domain.identity import TenantId
from ports.gate import OPEN, Admission, Gate
from ports.leases import PASSED_OVER, REMEMBERED, Calls, Look
from ports.locks import Locks

_TAKE: Final = Script.named("lock_take")
_RENEW: Final = Script.named("lock_renew")
_GIVE_BACK: Final = Script.named("lock_give_back")
_KEPT = REMEMBERED // MILLISECOND
_TURN = PASSED_OVER // MILLISECOND


class RedisLocks(Locks):
    """Each lock in one slot; each step is one script.

    Who waits listens on a channel of its own, so that a release wakes one and not all.
    """

    def __init__(self, tenant: TenantId, client: Client, gate: Gate = OPEN) -> None:
        self._admission = Admission(tenant, gate)
        self._tenant = tenant
        self._client = client

    def _key(self, name: str, kind: str, *parts: str) -> str:
        return key(self._tenant, name, kind, *parts)

    async def _take(self, name: str, holding: str, ttl: int, place: int | None) -> Look:
        held, number, left = await self._client.run(
            _TAKE,
            [
                self._key(name, "lock"),
                self._key(name, "lock-token"),
                self._key(name, "lock-line"),
                self._key(name, "lock-heard"),
            ],
            [
                holding,
                ttl,
                _KEPT,
                _TURN,
                "" if place is None else place,
                self._key(name, "lock-call", ""),
            ],
        )
        if held:
            return Look(fencing_token=number)
        return Look(place=number, left=None if left < 0 else left / 1_000)

    async def _renew(self, name: str, holding: str, ttl: int) -> bool:
        kept = await self._client.run(
            _RENEW,
            [self._key(name, "lock"), self._key(name, "lock-token")],
            [holding, ttl, _KEPT],
        )
        return bool(kept)

    async def _give_back(self, name: str, holding: str) -> bool:
        held = await self._client.run(
            _GIVE_BACK,
            [
                self._key(name, "lock"),
                self._key(name, "lock-line"),
                self._key(name, "lock-heard"),
            ],
            [holding, self._key(name, "lock-call", "")],
        )
        return bool(held)

    def _calls(self, name: str, holding: str) -> AbstractAsyncContextManager[Calls]:
        return self._client.listen(self._key(name, "lock-call", holding))
