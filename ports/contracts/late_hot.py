"""What writes to the runtime and analytics groups, and what doesn't; and all groups together."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import attrs

from domain.analytics import AnalyticsEvent
from domain.executions import ExecutionState
from domain.flow_executions import FlowExecution, Outcome
from domain.identity import UserId
from domain.rates import fixed_window
from ports.analytics import Analytics
from ports.cache import Cache
from ports.contracts.groups import Group
from ports.contracts.late_authoring import (
    AUDIT,
    CONTEXTS,
    CONVERSATIONS,
    EXPERIMENTS,
    FLOWS,
    INTEGRATIONS,
    LONG_AGO,
    MESSAGES,
    authored,
    said,
)
from ports.contracts.late_operations import Given, Late, Operations, Port, fresh
from ports.erasing import key_of
from ports.executions import ExecutionStore
from ports.locks import Locks
from ports.rate_limits import RateLimiter
from ports.sessions import SessionStore
from ports.stores import TenantScope

HOUR: Final = timedelta(hours=1)
RULE: Final = fixed_window(1_000, HOUR)


async def living(scope: TenantScope, user: UserId) -> dict[str, Any]:
    """What the writes of the runtime group begin with."""
    kept, turned = await scope.sessions.create(user), await scope.sessions.create(user)
    state = await scope.executions.save(ExecutionState.draft(fresh()))
    await scope.cache.set(user, "there", HOUR)
    return {"token": kept.token, "turned": turned.token, "state": state.id}


async def _session_changed(on: Port, at: Given) -> object:
    found = await on.require(at["token"], touch=False)
    return await on.update(attrs.evolve(found, conversation_id=fresh()))


async def _state_changed(on: Port, at: Given) -> object:
    found = await on.require(at["state"])
    return await on.save(attrs.evolve(found, turn_count=found.turn_count + 1))


async def _loaded() -> Any:
    return "late"


async def _held(on: Port, at: Given) -> None:
    async with on.hold(fresh()):
        return


SESSIONS: Final = Operations(
    SessionStore,
    {
        "create": lambda on, at: on.create(at.user),
        "update": _session_changed,
        "modify": lambda on, at: on.modify(
            at["token"], lambda it: attrs.evolve(it, conversation_id=fresh())
        ),
        "patch": lambda on, at: on.patch(at["token"], conversation_id=fresh()),
        "merge": lambda on, at: on.merge(at["token"], context={"late": fresh()}),
        "extend": lambda on, at: on.extend(at["token"], lifetime=HOUR),
        "rotate": lambda on, at: on.rotate(at["turned"]),
    },
    users=frozenset({"create", "update", "modify", "patch", "merge", "rotate"}),
    deletions={
        "delete": lambda on, at: on.delete(at["token"]),
        "revoke": lambda on, at: on.revoke("0" * 64),
        "delete_for_user": lambda on, at: on.delete_for_user(at.user),
    },
    reads=frozenset({"for_user", "get", "require"}),
)
EXECUTIONS: Final = Operations(
    ExecutionStore,
    {
        "save": lambda on, at: on.save(ExecutionState.draft(fresh())),
        "save again": _state_changed,
        "modify": lambda on, at: on.modify(at["state"], lambda it: it.entered(fresh())),
        "patch": lambda on, at: on.patch(at["state"], turn_count=7),
        "enter_state": lambda on, at: on.enter_state(at["state"], "start"),
        "update_slots": lambda on, at: on.update_slots(at["state"], {"late": fresh()}),
        "update_variables": lambda on, at: on.update_variables(at["state"], {"late": fresh()}),
        "extend": lambda on, at: on.extend(at["state"], HOUR),
    },
    deletions={"delete": lambda on, at: on.delete(at["state"])},
    # What is synchronised is written by the port of contexts, which refuses it.
    reads=frozenset({"get", "require", "sync_to_context"}),
)
RATE_LIMITS: Final = Operations(
    RateLimiter,
    {
        "acquire": lambda on, at: on.acquire(key_of(at.user), RULE),
        "acquire_all": lambda on, at: on.acquire_all([(key_of(at.user), RULE, 1)]),
        "increment": lambda on, at: on.increment(key_of(at.user), RULE),
    },
    users=frozenset({"acquire", "acquire_all", "increment"}),
    deletions={"reset": lambda on, at: on.reset(key_of(at.user), RULE)},
    reads=frozenset({"peek"}),
)
CACHE: Final = Operations(
    Cache,
    {
        "set": lambda on, at: on.set(fresh(), "late"),
        "set tagged": lambda on, at: on.set(fresh(), "late", tags=["late"]),
        "set user's": lambda on, at: on.set(fresh(), "late", tags=[f"user:{at.user}"]),
        "set_many": lambda on, at: on.set_many({fresh(): 1, fresh(): 2}),
        "expire": lambda on, at: on.expire(at.user, HOUR),
        "get_or_load": lambda on, at: on.get_or_load(fresh(), _loaded),
    },
    users=frozenset({"set user's"}),
    deletions={
        "delete": lambda on, at: on.delete(at.user),
        "invalidate_tag": lambda on, at: on.invalidate_tag("late"),
        "clear": lambda on, at: on.clear(),
    },
    reads=frozenset({"exists", "get", "get_many", "stats", "through", "ttl", "typed"}),
)
LOCKS: Final = Operations(Locks, {"hold": _held})


def _event(user: UserId | None = None) -> Any:
    return AnalyticsEvent.draft("turn", user_id=user)


def _execution(user: UserId | None) -> FlowExecution:
    return FlowExecution(
        id=fresh(),
        flow_id=UUID(int=7),
        started_at=LONG_AGO,
        ended_at=LONG_AGO,
        outcome=Outcome.COMPLETED,
        user_id=user,
    )


async def counted(scope: TenantScope, user: UserId) -> dict[str, Any]:
    """What the writes of the analytics group begin with."""
    recorded = await scope.analytics.record(_event(user))
    return {"event": await scope.analytics.get_by_id(recorded.ids[0])}


ANALYTICS: Final = Operations(
    Analytics,
    {
        "record": lambda on, at: on.record(_event(at.user)),
        "record_many": lambda on, at: on.record_many([_event()]),
        "record_many user": lambda on, at: on.record_many([_event(), _event(at.user)]),
        "record_executions": lambda on, at: on.record_executions([_execution(at.user)]),
        "restore": lambda on, at: on.restore([attrs.evolve(at["event"], id=fresh())]),
    },
    users=frozenset({"record", "record_many user", "record_executions", "restore"}),
    deletions={"delete_for_user": lambda on, at: on.delete_for_user(at.user)},
    reads=frozenset({"get_by_id", "query", "scan", "stream", "uncounted"}),
)

PORTS: Final[Mapping[Group, Mapping[str, Operations]]] = {
    Group.AUTHORING: {
        "flows": FLOWS,
        "experiments": EXPERIMENTS,
        "integrations": INTEGRATIONS,
        "audit": AUDIT,
    },
    Group.DIALOGUE: {
        "messages": MESSAGES,
        "contexts": CONTEXTS,
        "conversations": CONVERSATIONS,
    },
    Group.RUNTIME: {
        "sessions": SESSIONS,
        "executions": EXECUTIONS,
        "rate_limits": RATE_LIMITS,
        "cache": CACHE,
        "locks": LOCKS,
    },
    Group.ANALYTICS: {"analytics": ANALYTICS},
}
_PREPARED: Final[Mapping[Group, Callable[[TenantScope, UserId], Awaitable[dict[str, Any]]]]] = {
    Group.AUTHORING: authored,
    Group.DIALOGUE: said,
    Group.RUNTIME: living,
    Group.ANALYTICS: counted,
}


async def prepared(scope: TenantScope, group: Group, user: UserId) -> Given:
    """What a group's writes begin with, of a user."""
    return Given(user, await _PREPARED[group](scope, user))


def writes(group: Group) -> Sequence[Late]:
    """A group's writes, in an order in which each can be done after those before it."""
    return [late for port, all in PORTS[group].items() for late in all.late(port)]


def deletions(group: Group) -> Sequence[Late]:
    """A group's deletions."""
    return [
        Late(port, verb, write, False)
        for port, all in PORTS[group].items()
        for verb, write in all.deletions.items()
    ]


async def seen(scope: TenantScope, group: Group, user: UserId) -> list[Any]:
    """What is to be seen of a tenant's data; to look at it changes nothing."""
    if group is Group.AUTHORING:
        repositories: tuple[Any, ...] = (scope.flows, scope.experiments, scope.integrations)
        return [[one async for one in each.stream()] for each in (*repositories, scope.audit)]
    if group is Group.DIALOGUE:
        repositories = (scope.conversations, scope.messages, scope.contexts)
        return [[one async for one in each.stream()] for each in repositories]
    if group is Group.RUNTIME:
        count = (await scope.rate_limits.peek(key_of(user), RULE)).count
        return [*await scope.sessions.for_user(user), await scope.cache.get(user), count]
    return [one async for one in scope.analytics.stream()]
