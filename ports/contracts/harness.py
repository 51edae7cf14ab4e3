"""What an adapter under test is to the contracts, and how a contract becomes a pytest function."""

import asyncio
import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, ClassVar, Self, TypeAlias, TypeVar, overload
from uuid import UUID, uuid4

import attrs
import pytest
from hypothesis import settings

from domain.audit import AuditEntry, AuditHead
from domain.identity import NOBODY, Author, TenantId, tenant_id
from domain.rules import instant
from ports.capabilities import Capability
from ports.contracts.groups import Group as Group
from ports.contracts.groups import group_of
from ports.contracts.keys import ContractKeys
from ports.stores import (
    AnalyticsStore,
    AuthoringStore,
    DialogueStore,
    RuntimeStore,
    TenantScope,
)
from ports.time import Clock

T = TypeVar("T")


SKEW = timedelta(seconds=5)
"""How far the second instance's clock is ahead of a runtime store's."""

RETENTION = timedelta(days=20_000)
"""How long an analytics store keeps events; long enough for contracts about times long ago."""


class ContractClock(Clock):
    """A clock that stands still until a contract moves it.

    It shows microseconds, as real clocks do, so that an adapter which keeps them is found out.
    """

    def __init__(self) -> None:
        self._now = datetime(2026, 3, 29, 0, 59, 59, 123_456, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    @property
    def kept(self) -> datetime:
        """The present as an entity keeps it, in whole milliseconds."""
        return instant(self.now())

    def advance(self, **by: float) -> datetime:
        """Let time pass, as `timedelta(**by)`; the new present as an entity keeps it."""
        self.set(self.now() + timedelta(**by))
        return self.kept

    def set(self, now: datetime) -> None:
        """Make it another present. Override it to move a server's clock as well."""
        self._now = now


class ForeignClock(ContractClock):
    """Of a server that isn't the tests' own: its time can neither be moved nor foretold.

    Give it to a backend as its `clock`: contracts that ask for the time, or need it to stand still,
    are skipped, and the others run.
    """

    def now(self) -> datetime:
        pytest.skip("the server's clock isn't ours to move")

    def set(self, now: datetime) -> None:
        pytest.skip("the server's clock isn't ours to move")


class SkewedClock(Clock):
    """Another clock, `SKEW` ahead."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        return self._clock.now() + SKEW


@attrs.frozen
class Instance:
    """The stores of an adapter that one process would open: one for each group that it offers."""

    authoring: AuthoringStore | None = None
    dialogue: DialogueStore | None = None
    runtime: RuntimeStore | None = None
    analytics: AnalyticsStore | None = None

    @classmethod
    def of(cls, opened: "Opened") -> "Instance":
        """A store by itself is an instance that offers one group."""
        if isinstance(opened, Instance):
            return opened
        if isinstance(opened, DialogueStore):
            return cls(dialogue=opened)
        if isinstance(opened, RuntimeStore):
            return cls(runtime=opened)
        if isinstance(opened, AnalyticsStore):
            return cls(analytics=opened)
        return cls(authoring=opened)

    @property
    def offers(self) -> frozenset[Group]:
        """The groups that it has a store for."""
        return frozenset(group for group in Group if getattr(self, group) is not None)

    def store(self, group: Group) -> "AnyStore":
        """Its store for a group that it offers."""
        store: AnyStore = getattr(self, group)
        return store

    def scope(self, tenant: str, author: Author = NOBODY) -> TenantScope:
        """A tenant's scope, for `author`."""
        return TenantScope(
            tenant_id(tenant),
            self.authoring,
            self.dialogue,
            self.runtime,
            author,
            analytics=self.analytics,
        )


AnyStore: TypeAlias = AuthoringStore | DialogueStore | RuntimeStore | AnalyticsStore
Opened: TypeAlias = Instance | AnyStore


class Backend(ABC):
    """One adapter under test. A subclass names it and opens its stores; that is all.

    It is a context manager with an event loop of its own, on which every contract runs, so that
    connection pools live as long as the backend.
    """

    name: ClassVar[str]
    """How the tests' ids show it."""

    offers: ClassVar[frozenset[Group]] = frozenset({Group.AUTHORING})
    """The groups of data that it has stores for; only their contracts are run on it."""

    only: ClassVar[frozenset[str] | None] = None
    """The modules of contracts that it is for; None: all that are about what it offers."""

    tolerance: ClassVar[timedelta] = timedelta()
    """By how much a runtime store's time may be later than `clock` says: a server shows some of its
    own. Durations that aren't in whole milliseconds may differ by as much."""

    staleness: ClassVar[timedelta] = timedelta(milliseconds=100)
    """For how long an instance may not know of a tombstone that another buried: its stores are
    opened so that it is no more. Contracts wait for so long."""

    def __init__(self, clock: ContractClock | None = None) -> None:
        self.clock = ContractClock() if clock is None else clock
        self.ahead = SkewedClock(self.clock)
        self.keys = ContractKeys()
        self._runner = asyncio.Runner()

    @abstractmethod
    def stores(self) -> AbstractAsyncContextManager[Sequence[Opened]]:
        """At least two instances, as independent as the adapter can have them, over the same data.

        An adapter that offers one group yields its stores, one that offers several yields each
        `Instance` of them. They take the time from `self.clock`, seal secrets with `self.keys` and
        use the default deadlines. May be entered again, for further instances over the same data.

        A runtime store goes by `self.clock`, be it its server's. Its second instance has `ahead` as
        its own clock, wherever that could matter: a client's clock decides nothing. An analytics
        store has `RETENTION`, and nothing but what it answers goes by it: what a server removes by
        itself, it would remove by its own clock.
        """

    async def tamper(self, tenant: TenantId, entries: Mapping[UUID, AuditEntry | None]) -> None:
        """Go behind the port: from now on, under each id stands that audit entry, to the letter, or
        nothing, whatever stood there. Override it, so that it is seen whether `verify` finds that.
        """
        pytest.skip(f"nobody can go behind the audit trail of {self.name}")

    async def tamper_head(self, tenant: TenantId, head: AuditHead | None) -> None:
        """Go behind the port: from now on, this is the head of the tenant's chain, or it has none.

        Override it with `tamper`.
        """
        pytest.skip(f"nobody can go behind the audit trail of {self.name}")

    async def tamper_anchor(self, tenant: TenantId, anchor: AuditHead | None) -> None:
        """Go behind the port: from now on, this is the anchor of the tenant's chain, or it has
        none. Override it with `tamper`.
        """
        pytest.skip(f"nobody can go behind the audit trail of {self.name}")

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[tuple[Instance, ...]]:
        """Instances that offer what is declared, for as long as they are needed."""
        async with self.stores() as stores:
            instances = tuple(map(Instance.of, stores))
            if len(instances) < 2:
                raise ValueError(f"{self.name}: races need two instances of the store")
            if any(instance.offers != self.offers for instance in instances):
                raise ValueError(f"{self.name}: every instance must offer what `offers` says")
            yield instances

    def __enter__(self) -> Self:
        self._runner.__enter__()
        try:
            self._opened = self.opened()
            self.instances = self.run(self._opened.__aenter__())
        except BaseException:
            self._runner.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.run(self._opened.__aexit__(kind, error, trace))
        finally:
            self._runner.close()

    def __repr__(self) -> str:
        return f"<backend {self.name}>"

    def capabilities(self, group: Group) -> frozenset[Capability]:
        """What the adapter declares for a group that it offers."""
        return self.instances[0].store(group).capabilities

    def run(self, coroutine: Awaitable[T]) -> T:
        """Run to the end, on this backend's loop."""

        async def awaited() -> T:
            return await coroutine

        return self._runner.run(awaited())

    def tenant(self, prefix: str = "t") -> TenantId:
        """A tenant that nobody used before."""
        return tenant_id(f"{prefix}-{uuid4()}")

    def scope(self, tenant: str, instance: int = 0, author: Author = NOBODY) -> TenantScope:
        """A tenant's scope on one of the instances, for `author`."""
        return self.instances[instance].scope(tenant, author)

    def fresh(self) -> TenantScope:
        """The scope of a tenant that nobody used before."""
        return self.scope(self.tenant())

    def rivals(self) -> tuple[TenantScope, TenantScope]:
        """One unused tenant's scopes on two instances."""
        tenant = self.tenant()
        return self.scope(tenant, 0), self.scope(tenant, 1)


Contract: TypeAlias = Callable[..., Coroutine[Any, Any, None]]
Test: TypeAlias = Callable[..., None]


@overload
def contract(function: Contract) -> Test: ...
@overload
def contract(
    *, needs: Capability | None = None, still: bool = False
) -> Callable[[Contract], Test]: ...
def contract(
    function: Contract | None = None, *, needs: Capability | None = None, still: bool = False
) -> Test | Callable[[Contract], Test]:
    """Make a pytest function of an async one, run on the backend's loop.

    What it may ask for: `backend`; `subject`, each type of entity, or `group`, each group of data,
    that the backend offers; `scope`, an unused tenant's, anew for every example; and whatever other
    fixtures provide or `@given`, written above this decorator, generates. With `needs` it says
    nothing about a backend that doesn't declare the capability, for the group that the subject,
    `group` or else the module is of; `still`, about one whose time passes by itself (see
    `ForeignClock`), since it takes what happens for happening at once.
    """
    if function is None:
        return lambda body: _test_of(body, needs, still)
    return _test_of(function, needs, still)


def _test_of(body: Contract, needs: Capability | None, still: bool) -> Test:
    asked = inspect.signature(body).parameters
    group = group_of(body.__module__)
    if needs is not None and group is None and not {"subject", "group"} & asked.keys():
        raise TypeError(f"{body.__module__} isn't of one group, in CONTRACTS, to have {needs}")
    others = [parameter for name, parameter in asked.items() if name not in ("backend", "scope")]
    shown = inspect.Parameter("backend", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    signature = inspect.Signature([shown, *others])

    @functools.wraps(body)
    def run(*positional: Any, **named: Any) -> None:
        given = signature.bind(*positional, **named).arguments
        backend: Backend = given.pop("backend")
        if needs is not None:
            subject = given.get("subject")
            of: Any = given.get("group", group) if subject is None else subject.group
            if needs not in backend.capabilities(of):
                pytest.skip(f"{backend.name} doesn't declare {needs}")
        if still and isinstance(backend.clock, ForeignClock):
            pytest.skip(f"time passes by itself in {backend.name}")
        if "backend" in asked:
            given["backend"] = backend
        if "scope" in asked:
            given["scope"] = backend.fresh()
        backend.run(body(**given))

    run.__signature__ = signature  # type: ignore[attr-defined]  # read by inspect
    run.__annotations__ = {
        name: kind for name, kind in run.__annotations__.items() if name != "scope"
    }
    return run


def examples(share: float) -> settings:
    """A property's settings: this share of the examples that the profile in force asks for."""
    in_force = settings()
    return settings(max_examples=max(round(in_force.max_examples * share), 1))


async def race(*contenders: Coroutine[Any, Any, T]) -> list[T | BaseException]:
    """Run them at the same time; what each returned or raised, in the order given."""
    return await asyncio.gather(*contenders, return_exceptions=True)


async def raised_by(operation: Awaitable[object]) -> Exception | None:
    """What an operation raises, or None if it succeeds."""
    try:
        await operation
    except Exception as error:  # noqa: BLE001  # the caller compares it
        return error
    return None


async def raised_by_each(*operations: Awaitable[object]) -> list[Exception | None]:
    """What each of them raises, or None; all of them are run, one after the other."""
    return [await raised_by(operation) for operation in operations]
