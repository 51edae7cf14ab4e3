"""Archives: a tenant's records as a store keeps them, read for an export and put back by an import.

For maintenance alone: what is put back bypasses what repositories do beside storing. It gets no
audit entry and no outbox event of its own (the trail is restored as it was, and must verify as it
did), raises no revision, and takes times, numbers and counters as the record has them. Caches of
what is put back are dropped.

**Left out**, since they end by themselves, can be had again, or mean nothing elsewhere: cached
values; rate limits and quotas; locks and fencing tokens (another store's locks begin anew: an old
token would refuse every new holder); the outbox and its deliveries (they tell consumers of the
store that they are in of what happened there); tombstones; idempotency keys of appends and of
flows' figures (of those of outcomes, which count for as long as the experiment, none is left out).
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from enum import Enum
from typing import Any, ClassVar, Final, TypeAlias

import attrs

from domain.analytics import AnalyticsEvent
from domain.audit import NO_ENTRY, AuditEntry, AuditHead
from domain.contexts import ExecutionContext
from domain.conversations import Conversation
from domain.errors import Fault, ValidationError
from domain.experiment_results import ExperimentAssignment
from domain.experiments import Experiment
from domain.flows import Flow, FlowDailyMetrics, FlowVersion
from domain.identity import TenantId, UserId, tenant_id
from domain.integrations import Integration, IntegrationCall
from domain.messages import Message
from domain.records import KeptExecution, OutcomeKey, UnitOutcome
from domain.sessions import Session, is_handle
from ports.errors import ErasedError, TenantMismatchError, UnsupportedOperationError
from ports.gate import OPEN, Gate

MAX_RESTORED: Final = 1_000
"""Records in one call of `Archive.restore`."""

_UNFIT: Final = "the store can't keep it"

Record: TypeAlias = Any
Key: TypeAlias = tuple[Any, ...]


@attrs.frozen(eq=False)
class RecordKind:
    """A kind of record: its name (of files, too), its class, and the fields that name one within a
    tenant; none: a tenant has one at most. `said`: what a record is called.
    """

    name: str
    entity: type[Any]
    key: tuple[str, ...]
    said: str
    same: Callable[[Record, Record], bool] = attrs.field(default=lambda one, other: one == other)
    """Whether what is stored is what is to be restored."""
    fits: Callable[[Record], bool] = attrs.field(default=lambda record: True)
    """Whether it is one that a store may have made, as far as its class can't say."""

    def key_of(self, record: Record) -> Key:
        """What names a record within its tenant."""
        return tuple([getattr(record, name) for name in self.key])

    def __str__(self) -> str:
        return self.name


def _same_entry(stored: AuditEntry, entry: AuditEntry) -> bool:
    if entry.sequence is None and stored.sequence is not None:
        entry = entry.sealed(stored.sequence, stored.digest or "")  # it was sealed since
    return stored == entry


def _is_whole_entry(entry: AuditEntry) -> bool:
    if entry.sequence is None or entry.digest is None:
        return entry.sequence is None and entry.digest is None
    return _is_countable(entry.sequence)


def _is_end(head: AuditHead) -> bool:
    return _is_countable(head.sequence)  # the chain goes on after it


def _not_behind(stored: AuditHead, head: AuditHead) -> bool:
    """Whether the chain ends, or begins, there, or did before what was added or purged since."""
    return stored == head or stored.sequence > head.sequence


def _is_countable(number: int) -> bool:
    return number < 2**53  # where stores count in doubles, what is beyond becomes another number


def _same_execution(stored: KeptExecution, record: KeptExecution) -> bool:
    return (stored.state, stored.life) == (record.state, record.life)


FLOWS: Final = RecordKind("flows", Flow, ("id",), "flow")
FLOW_VERSIONS: Final = RecordKind("flow_versions", FlowVersion, ("id",), "flow version")
FLOW_METRICS: Final = RecordKind(
    "flow_metrics", FlowDailyMetrics, ("flow_id", "metric_date"), "day's figures"
)
EXPERIMENTS: Final = RecordKind("experiments", Experiment, ("id",), "experiment")
ASSIGNMENTS: Final = RecordKind(
    "experiment_assignments", ExperimentAssignment, ("experiment_id", "unit"), "assignment"
)
OUTCOMES: Final = RecordKind(
    "experiment_outcomes", UnitOutcome, ("experiment_id", "metric", "unit"), "unit's outcome"
)
OUTCOME_KEYS: Final = RecordKind(
    "experiment_outcome_keys", OutcomeKey, ("experiment_id", "key"), "outcome's key"
)
INTEGRATIONS: Final = RecordKind("integrations", Integration, ("id",), "integration")
CALLS: Final = RecordKind(
    "integration_calls", IntegrationCall, ("integration_id", "sequence"), "call"
)
AUDIT_ANCHOR: Final = RecordKind(
    "audit_anchor", AuditHead, (), "anchor of the audit chain", same=_not_behind, fits=_is_end
)
AUDIT_HEAD: Final = RecordKind(
    "audit_head", AuditHead, (), "head of the audit chain", same=_not_behind, fits=_is_end
)
AUDIT_ENTRIES: Final = RecordKind(
    "audit_entries", AuditEntry, ("id",), "audit entry", same=_same_entry, fits=_is_whole_entry
)
CONVERSATIONS: Final = RecordKind("conversations", Conversation, ("id",), "conversation")
MESSAGES: Final = RecordKind("messages", Message, ("conversation_id", "sequence"), "message")
CONTEXTS: Final = RecordKind("contexts", ExecutionContext, ("id",), "context")
EVENTS: Final = RecordKind("analytics_events", AnalyticsEvent, ("id",), "event")
SESSIONS: Final = RecordKind(
    "sessions",
    Session,
    ("id",),
    "session",
    fits=lambda session: is_handle(session.id) and _is_countable(session.revision),
)
EXECUTIONS: Final = RecordKind(
    "executions",
    KeptExecution,
    ("id",),
    "execution state",
    same=_same_execution,
    fits=lambda record: _is_countable(record.state.revision),
)

AUTHORING_KINDS: Final = (
    *(FLOWS, FLOW_VERSIONS, FLOW_METRICS),
    *(EXPERIMENTS, ASSIGNMENTS, OUTCOMES, OUTCOME_KEYS),
    *(INTEGRATIONS, CALLS),
    # The ends of the chain before what is between them: who seals meanwhile goes on after its head.
    *(AUDIT_ANCHOR, AUDIT_HEAD, AUDIT_ENTRIES),
)
DIALOGUE_KINDS: Final = (CONVERSATIONS, MESSAGES, CONTEXTS)
ANALYTICS_KINDS: Final = (EVENTS,)
RUNTIME_KINDS: Final = (SESSIONS, EXECUTIONS)
"""Each in the order in which they are restored: what others belong to comes first."""

Batch: TypeAlias = tuple[RecordKind, Sequence[Record]]


class Put(Enum):
    """What came of a record that was to be added."""

    ADDED = "added"
    HELD = "held"
    """Something stands under its key, or under another one that must be unique."""
    ORPHAN = "orphan"
    """What it belongs to, or must follow, isn't there."""
    EXPIRED = "expired"
    """Its time is over."""
    UNFIT = "unfit"
    """The store can't have it."""


@attrs.frozen(kw_only=True)
class Restored:
    """What became of the records of a call. `refused`: by their places, why.

    `expired`: those whose time was over; they aren't there, as they wouldn't be in the store that
    they come from. Entries of the audit trail that were purged since are among them.
    """

    added: int
    unchanged: int
    expired: int
    refused: Mapping[int, str]


class Archive(ABC):
    """A store's records, of one tenant at a time."""

    kinds: ClassVar[tuple[RecordKind, ...]]
    """Those of the store, in the order in which they are restored."""

    def __init__(self, gate: Gate = OPEN) -> None:
        self._gate = gate

    @abstractmethod
    def read(self, tenant: TenantId) -> AsyncGenerator[Batch, None]:
        """Everything of a tenant, in batches of one kind each; in constant memory.

        The batches of all kinds may come by turns; those of one kind together have each record
        once, in an order that follows from the records alone, whichever store they are in. So the
        same records give the same sequence. While others write, the store says in its class what
        holds.

        Raises:
            ValidationError: for what can't be a tenant's name.
            CorruptRecordError: if what is stored can't be read.
        """

    async def restore(
        self, tenant: TenantId, kind: RecordKind, records: Sequence[Record]
    ) -> Restored:
        """Put back at most 1 000 records of one kind exactly as they are; each by itself.

        Idempotent: a record that stands already as it is given changes nothing; one under whose key
        another stands is refused and nothing overwritten; so is one whose owner isn't there, and
        one that would break another unique key. The others go in. Interrupted, or after
        `OutcomeUnknownError`, it may be called again.

        Raises:
            ValidationError: for what isn't of the kind, or too many; nothing is stored.
            TenantMismatchError: if one is another tenant's; nothing is stored.
            UnsupportedOperationError: for a kind of another store.
            EncryptionKeyError: for credentials, if there is no key to seal or compare them with.
            ErasedError: if the tenant was erased. What concerns an erased user of it is refused.
        """
        named = tenant_id(tenant)
        if kind not in self.kinds:
            raise UnsupportedOperationError(f"{kind.name} are kept in another store")
        given = tuple(records)
        self._check(named, kind, given)
        places: dict[Key, int] = {}
        twice: list[tuple[int, int]] = []
        for place, record in enumerate(given):
            first = places.setdefault(kind.key_of(record), place)
            if first != place:
                twice.append((place, first))
        refused = await self._erased(named, {place: given[place] for place in places.values()})
        refused |= {place: _UNFIT for place, record in enumerate(given) if not kind.fits(record)}
        left = {place: given[place] for place in places.values() if place not in refused}
        purged = await self._purged(named, left) if kind is AUDIT_ENTRIES else set()
        fresh = [place for place in left if place not in purged]
        put = await self._put(named, kind, [given[place] for place in fresh]) if fresh else ()
        by_place = dict(zip(fresh, put, strict=True))
        held = [place for place, what in by_place.items() if what is Put.HELD]
        found = await self._found(named, kind, [given[place] for place in held]) if held else {}
        unchanged = 0
        for place in held:
            stored = found.get(kind.key_of(given[place]))
            if stored is None:
                refused[place] = f"another {kind.said} stands under a key that must be unique"
            elif kind.same(stored, given[place]):
                unchanged += 1
            else:
                refused[place] = f"another {kind.said} stands in its place; it was left as it is"
        for place, what in by_place.items():
            if what is Put.ORPHAN:
                refused[place] = "what it belongs to, or what comes before it, isn't there"
            elif what is Put.UNFIT:
                refused[place] = _UNFIT
        for place, first in twice:
            if given[place] == given[first] and first not in refused:
                unchanged += 1
            else:
                refused[place] = f"the same key as that of another {kind.said} before it"
        counts = {what: sum(each is what for each in put) for what in Put}
        return Restored(
            added=counts[Put.ADDED],
            unchanged=unchanged,
            expired=counts[Put.EXPIRED] + len(purged),
            refused=dict(sorted(refused.items())),
        )

    async def _purged(self, tenant: TenantId, entries: Mapping[int, AuditEntry]) -> set[int]:
        """Those from before the place where the tenant's chain begins by now."""
        found = await self._found(tenant, AUDIT_ANCHOR, [NO_ENTRY])
        anchor = found.get((), NO_ENTRY)
        return {
            place for place, one in entries.items() if 0 < (one.sequence or 0) <= anchor.sequence
        }

    def _check(self, tenant: TenantId, kind: RecordKind, records: Sequence[Record]) -> None:
        if len(records) > MAX_RESTORED:
            fault = Fault("", f"must be at most {MAX_RESTORED}")
            raise ValidationError(kind.name, [fault])
        for place, record in enumerate(records):
            if type(record) is not kind.entity:
                fault = Fault(f"[{place}]", f"must be a {kind.entity.__name__}")
                raise ValidationError(kind.name, [fault])
            if getattr(record, "tenant_id", tenant) != tenant:
                raise TenantMismatchError(kind.said, tenant)

    async def _erased(self, tenant: TenantId, records: Mapping[int, Record]) -> dict[int, str]:
        """Those that concern somebody who was erased, and why that is so."""
        users = {place: _users_of(record) for place, record in records.items()}
        await self._gate.admit(tenant)
        try:
            await self._gate.admit(tenant, {user for some in users.values() for user in some})
        except ErasedError:
            pass
        else:
            return {}
        refused: dict[int, str] = {}
        for place, some in users.items():
            try:
                await self._gate.admit(tenant, some)
            except ErasedError as error:
                refused[place] = str(error)
        return refused

    # What a store implements. Arguments are checked; no two records have the same key.

    @abstractmethod
    async def _put(
        self, tenant: TenantId, kind: RecordKind, records: Sequence[Record]
    ) -> Sequence[Put]:
        """Add each that can be added; what came of each, in their order."""

    @abstractmethod
    async def _found(
        self, tenant: TenantId, kind: RecordKind, records: Sequence[Record]
    ) -> Mapping[Key, Record]:
        """What is stored under the keys of some records."""


def _users_of(record: Record) -> Sequence[UserId]:
    named = (getattr(record, "user_id", None), getattr(record, "unit", None))
    return [UserId(user) for user in named if user is not None]
