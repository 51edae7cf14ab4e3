"""Logs: entries that are only added, each log's numbered 1, 2, 3 … in the order of commits."""

import json
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import datetime
from enum import Enum
from functools import cache
from hashlib import blake2b
from itertools import islice
from typing import Any, ClassVar, Generic, TypeVar

import attrs

from domain.errors import Fault, ValidationError
from domain.identity import Entry, EntryDraft
from domain.rules import checked, whole
from ports.errors import InvalidQueryError, SequenceConflictError
from ports.paging import check_limit
from ports.reading import Reading, several
from ports.schema import EntitySchema

E = TypeVar("E", bound=Entry)
MAX_APPEND = 1_000
"""Entries in one append."""

_STREAM_PAGE = 500
_SEQUENCE = whole()


@attrs.frozen(kw_only=True, eq=False)
class LogSchema(EntitySchema[E]):
    """`log`: the field that names an entry's log. `owner`: what that log belongs to, in errors."""

    log: str
    owner: str


@attrs.frozen(kw_only=True)
class Replay:
    """What an append can be recognised by when it comes again."""

    key: str
    digest: str


@attrs.frozen(kw_only=True)
class Batch(Generic[E]):
    """An append, ready to be stored.

    `entries(last)` are the entries if the log ended at `last`; `latest` is the latest of their
    times. With `expected`, the log must end there.
    """

    log: str
    count: int
    latest: datetime
    entries: Callable[[int], tuple[E, ...]]
    replay: Replay | None
    expected: int | None


@attrs.frozen(kw_only=True)
class HistoryPage(Generic[E]):
    """Neighbouring entries by ascending sequence. `has_more`: whether more follow in the direction
    in which it was read.
    """

    items: tuple[E, ...]
    has_more: bool


class AppendLog(Reading[E]):
    """One tenant's logs of one type.

    Entries are only added. A log's are numbered from 1 without a gap, in the order in which they
    were committed, under any number of concurrent appenders in any number of processes; so whoever
    read up to a number misses nothing before it. Numbers never change and are never given again.

    An operation that writes may raise `OutcomeUnknownError`: an append with an idempotency key can
    then simply be repeated. So may it `ErasedError`, if the tenant was erased. (The log of a user
    who was erased is gone.)
    """

    schema: ClassVar[LogSchema[Any]]

    async def append(
        self,
        log: str,
        /,
        drafts: Iterable[EntryDraft[E]],
        *,
        idempotency_key: str | None = None,
        expected_sequence: int | None = None,
    ) -> tuple[E, ...]:
        """Add 1 to 1 000 entries to a log: all or none, next to each other, in this order.

        The owner's head (last sequence, count, last activity) is raised in the same commit.
        Concurrent appends wait for each other and all succeed, within the deadline.

        With an idempotency key (1 to 255 characters, of this log), the same append again changes
        nothing and returns the entries of the first as they stand now: for as long as the log is
        there, also when it takes no more or `expected_sequence` is long past. The same is: equal
        drafts, chosen ids and times included. Once one of them was redacted, contents aren't
        compared any more.

        With `expected_sequence`, only if the log ends there (0: it is empty).

        Raises, the first that holds:
            ValidationError: for drafts, keys or numbers that can't be.
            IdempotencyKeyReusedError: if the key stands for other content.
            EntityNotFoundError: if the log's owner isn't there.
            ConversationClosedError: if it takes no more messages.
            SequenceConflictError: if the log ends elsewhere than expected.
            DuplicateEntityError: if an id that a caller chose is taken.

        Cost: three round trips in stores that need a transaction, one otherwise; two more for a
        replay.

        What is more than the store can commit at once (in MongoDB some tens of megabytes, by the
        size of its cache) is a `RepositoryError`, or a `StoreTimeoutError`; nothing was changed.
        """
        batch = self._batch(log, drafts, idempotency_key, expected_sequence)
        await self._context.gate.admit(self._context.tenant)
        return await self._append(batch)

    async def restore(self, entries: Iterable[E]) -> None:
        """Store whole entries exactly as they are, numbers and ids included: restores an export.

        All or none. Of each log they must be numbered without gaps, from 1 or after one that is
        stored, and the owner's head must reach that far already (restore it first, or in the same
        unit of work); the head isn't changed, and a closed owner takes them. Until all up to the
        head are restored, the log has its end missing. Memory grows with their number. Idempotency
        keys are restored as fields, and no longer recognise a replay.

        Raises, the first that holds:
            TenantMismatchError: if one is another tenant's.
            EntityNotFoundError: if an owner isn't there.
            SequenceConflictError: for a gap, a number twice, or one beyond the head; `actual` is
                the number after which the log can't go on as `expected`.
            DuplicateEntityError: if an id or number is taken.
        """
        logs: dict[str, list[E]] = {}
        for entry in several(self.schema.name, entries):
            owned = self.schema.own(entry, self._context.tenant)
            logs.setdefault(getattr(owned, self.schema.log), []).append(owned)
        for kept in logs.values():
            kept.sort(key=_sequence)
        if logs:
            await self._context.gate.admit(self._context.tenant)
            await self._restore(logs)

    async def history(
        self,
        log: str,
        /,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> HistoryPage[E]:
        """Up to `limit` (1 to 1000) entries by ascending sequence: the first `after` a number, or
        the last `before` one; with both, the first between them; with neither, from the beginning.

        Any page costs what the first does. A log without owner is empty. To read on, go `after`
        the last item's sequence, or `before` the first's.
        """
        wanted = self._log(log)
        start, end = self._place("after", after), self._place("before", before)
        size = check_limit(limit)
        backwards = start is None and end is not None
        found = await self._history(wanted, start or 0, end, size + 1, backwards)
        items = tuple(found[:size])
        return HistoryPage(items=items[::-1] if backwards else items, has_more=len(found) > size)

    async def latest(self, log: str, /, n: int = 50) -> tuple[E, ...]:
        """The last `n` (1 to 1000) entries, by ascending sequence."""
        found = await self._history(self._log(log), 0, None, check_limit(n), True)
        return tuple(found[::-1])

    async def stream_history(self, log: str, /, *, after: int = 0) -> AsyncIterator[E]:
        """Every entry after a number, by ascending sequence, in constant memory.

        What is appended while it is read comes, too, if it is there when the end is reached.
        """
        wanted, place = self._log(log), self._place("after", after) or 0
        while True:
            found = await self._history(wanted, place, None, _STREAM_PAGE, False)
            for entry in found:
                yield entry
            if len(found) < _STREAM_PAGE:
                return
            place = _sequence(found[-1])

    def _log(self, log: object) -> str:
        kept: str = checked(self.schema.entity, self.schema.log, log)
        return kept

    def _place(self, name: str, candidate: object) -> int | None:
        if candidate is None:
            return None
        try:
            kept: int = _SEQUENCE(candidate)
        except ValueError as error:
            raise InvalidQueryError(f"{name} {error}") from None
        return kept

    def _batch(
        self,
        log: object,
        drafts: Iterable[EntryDraft[E]],
        key: object,
        expected: object,
    ) -> Batch[E]:
        schema, context = self.schema, self._context
        wanted, faults = self._log(log), list[Fault]()
        # One that never ends is read no further than it may go.
        given = tuple(islice(drafts, MAX_APPEND + 1)) if isinstance(drafts, Iterable) else ()
        if not 1 <= len(given) <= MAX_APPEND:
            faults.append(Fault("", f"an append takes 1 to {MAX_APPEND} drafts"))
        for place, draft in enumerate(given):
            if not isinstance(draft, EntryDraft) or not isinstance(
                draft.provisional, schema.entity
            ):
                faults.append(Fault(f"[{place}]", f"must be a draft of a {schema.name}"))
        try:
            after = None if expected is None else _SEQUENCE(expected)
        except ValueError as error:
            faults.append(Fault("expected_sequence", str(error)))
        if faults:
            raise ValidationError(schema.name, faults)
        kept_key = checked(schema.entity, "idempotency_key", key)
        now: datetime = checked(schema.entity, "at", context.clock.now())
        fixed = {"tenant_id": context.tenant, schema.log: wanted, "idempotency_key": kept_key}
        placed = [
            draft.placed(at=now, new_id=None if draft.has_id else self._new_id(), **fixed)
            for draft in given
        ]

        def entries(last: int) -> tuple[E, ...]:
            for number, entry in enumerate(placed, last + 1):
                vars(entry)["sequence"] = number
            return tuple(placed)

        return Batch(
            log=wanted,
            count=len(placed),
            latest=max(vars(entry)["at"] for entry in placed),
            entries=entries,
            replay=None if kept_key is None else Replay(key=kept_key, digest=digest_of(given)),
            expected=after,
        )

    # What a store implements, beside what `Reading` asks for. Arguments are checked.

    @abstractmethod
    async def _append(self, batch: Batch[E]) -> tuple[E, ...]:
        """As `append` promises. `batch.entries` may be asked several times, before one is shared:
        its entries are numbered anew by each call.
        """

    @abstractmethod
    async def _restore(self, logs: "dict[str, list[E]]") -> None:
        """As `restore` promises; each log's entries by ascending sequence."""

    @abstractmethod
    async def _history(
        self, log: str, after: int, before: int | None, limit: int, backwards: bool
    ) -> Sequence[E]:
        """The first, or `backwards` the last, between the two numbers, in the order of reading."""


def digest_of(drafts: Iterable[EntryDraft[Any]]) -> str:
    """A digest (BLAKE2b, RFC 7693, 128 bits) of all that callers wrote into drafts.

    To the letter: 1 and 1.0 differ. What a store would fill in is left out, and so are fields that
    have their default: one that a later version adds must not make another append of an old one.
    """
    digest = blake2b(digest_size=16)
    for draft in drafts:
        document = _written(draft.provisional)
        for name, chosen in (("id", draft.has_id), ("at", draft.has_time)):
            if not chosen:
                del document[name]
        encoded = json.dumps(document, default=_plain, sort_keys=True, separators=(",", ":"))
        digest.update(len(encoded).to_bytes(8, "big") + encoded.encode())
    return digest.hexdigest()


def misplaced(
    schema: LogSchema[Any], log: str, entries: Sequence[Any], before: int, head: int
) -> SequenceConflictError | None:
    """Why entries, by ascending sequence, can't be restored to a log, or None if they can.

    `before`: the last place before the first of them that is taken, or 0. `head`: where the owner
    says that its log ends.
    """
    last = before
    for entry in entries:
        if entry.sequence != last + 1:
            return SequenceConflictError(schema.owner, log, entry.sequence - 1, last)
        last = entry.sequence
    return SequenceConflictError(schema.owner, log, last, head) if last > head else None


def _sequence(entry: Any) -> int:
    number: int = entry.sequence
    return number


@cache
def _defaults(kind: type) -> dict[str, Any]:
    return {field.name: field.default for field in attrs.fields(kind)}


def _written(value: Any) -> dict[str, Any]:
    kind: Any = type(value)
    defaults = _defaults(kind)
    return {name: kept for name, kept in vars(value).items() if kept != defaults[name]}


def _plain(value: Any) -> Any:
    if attrs.has(type(value)):
        return _written(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    return str(value)
