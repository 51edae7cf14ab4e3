"""Messages in MongoDB: one document each, appended in the transaction that raises the head.

An append is three round trips: one raises the conversation's head, which gives the numbers, one
inserts the messages, one commits. (The numbers must come from the head, the messages need them, and
a transaction's end is a command of its own; so it can't be fewer.) Two transactions that write the
same head don't wait for each other in MongoDB, the later one fails; so the appends of one process
take turns, those of several processes try again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

from adapters.mongo.collections import CONVERSATIONS, MESSAGES, REPLAY, RESTORED, Collection
from adapters.mongo.errors import DuplicateKey
from adapters.mongo.executor import Document, Executor
from adapters.mongo.reading import MongoReading, writing
from adapters.mongo.turns import Turns
from domain.conversations import OPEN_STATUSES, ConversationClosedError, ConversationStatus
from domain.messages import Message
from ports.append_log import Batch, misplaced
from ports.errors import (
    DuplicateEntityError,
    EntityNotFoundError,
    IdempotencyKeyReusedError,
    SequenceConflictError,
    TransactionError,
)
from ports.messages import MESSAGE_SCHEMA, MessageRepository, refuse_redacted
from ports.reading import Context

_OPEN: Final = [status.value for status in OPEN_STATUSES]
_OWNER: Final = MESSAGE_SCHEMA.owner
_HEAD: Final = {"last_sequence": 1, "status": 1}
_KEY: Final = f"{REPLAY}.key"
_DIGEST: Final = f"{REPLAY}.digest"
_REPLAYED: Final = ("tenant_id", "conversation_id", _KEY)
SECONDS_PER_MESSAGE: Final = 0.000_5
"""That restoring a message may take, on top of the deadline."""


class MongoMessageRepository(MongoReading[Message], MessageRepository):
    """Messages. `turns` is None within a unit of work, which waits for nobody."""

    collection: ClassVar[Collection] = MESSAGES

    def __init__(self, context: Context, executor: Executor, turns: Turns | None = None) -> None:
        super().__init__(context, executor)
        self._turns = turns

    @writing
    async def _append(self, batch: Batch[Message]) -> tuple[Message, ...]:
        if self._turns is None:
            # Here, a duplicate would end the whole unit: the key is looked up beforehand.
            replayed = await self._replayed(self._executor, batch)
            return replayed or await self._appended(self._executor, batch)
        async with self._turns.of(self._owner_key(batch.log)) as seconds:
            while True:
                try:
                    return await self._executor.atomically(
                        lambda executor: self._appended(executor, batch), seconds=seconds
                    )
                except DuplicateKey as taken:
                    failure = DuplicateEntityError(
                        self.schema.name, self.collection.unique_key(taken)
                    )
                    again = taken.key == _REPLAYED
                if replayed := await self._replayed(self._executor, batch):
                    return replayed
                if not again:  # or else what held the key is gone by now
                    raise failure

    async def _appended(self, executor: Executor, batch: Batch[Message]) -> tuple[Message, ...]:
        wanted: Document = {"_id": self._owner_key(batch.log), "status": {"$in": _OPEN}}
        if batch.expected is not None:
            wanted["last_sequence"] = batch.expected
        raised = {
            "$inc": {"last_sequence": batch.count, "message_count": batch.count},
            "$max": {"last_activity_at": batch.latest},
        }
        head = await executor.find_one_and_update(
            CONVERSATIONS.name, wanted, raised, projection=_HEAD
        )
        if head is None:
            return await self._refused(executor, batch)
        messages = batch.entries(head["last_sequence"] - batch.count)
        documents = [self._mapper.document(message) for message in messages]
        if batch.replay is not None:
            documents[0][REPLAY] = {
                "key": batch.replay.key,
                "digest": batch.replay.digest,
                "count": batch.count,
            }
        await executor.insert(self._name, documents)
        return messages

    async def _refused(self, executor: Executor, batch: Batch[Message]) -> tuple[Message, ...]:
        """Why the head wasn't raised; or what the same append gave before."""
        if replayed := await self._replayed(executor, batch):
            return replayed
        head = await executor.find_one(
            CONVERSATIONS.name, {"_id": self._owner_key(batch.log)}, projection=_HEAD
        )
        if head is None:
            raise EntityNotFoundError(_OWNER, batch.log)
        if ConversationStatus(head["status"]).is_closed:
            raise ConversationClosedError(head["status"])
        if batch.expected is None:
            raise TransactionError("the conversation changed meanwhile")
        last = int(head["last_sequence"])  # a large one is a subclass of the driver's
        raise SequenceConflictError(_OWNER, batch.log, batch.expected, last)

    async def _replayed(
        self, executor: Executor, batch: Batch[Message]
    ) -> tuple[Message, ...] | None:
        """What an append gave before, if this is one that came before."""
        if batch.replay is None:
            return None
        first = await executor.find_one(
            self._name,
            {**self._log_filter(batch.log), _KEY: batch.replay.key},
            projection={REPLAY: 1, "sequence": 1},
        )
        if first is None:
            return None
        kept = first[REPLAY]
        if kept.get("digest", batch.replay.digest) != batch.replay.digest:
            raise IdempotencyKeyReusedError(_OWNER, batch.log)
        start: int = first["sequence"]
        found = await executor.find(
            self._name,
            {
                **self._log_filter(batch.log),
                "sequence": {"$gte": start, "$lt": start + kept["count"]},
            },
            projection=self._shown,
            sort=[("sequence", 1)],
        )
        return tuple(self._entities(found))

    @writing
    async def _restore(self, logs: dict[str, list[Message]]) -> None:
        documents = [
            self._mapper.document(message) for messages in logs.values() for message in messages
        ]

        async def restored(executor: Executor) -> None:
            keys = [self._owner_key(log) for log in logs]
            found = await executor.find(
                CONVERSATIONS.name, {"_id": {"$in": keys}}, projection=_HEAD
            )
            heads = {head["_id"]: int(head["last_sequence"]) for head in found}
            for log in logs:
                if self._owner_key(log) not in heads:
                    raise EntityNotFoundError(_OWNER, log)
            for log, messages in logs.items():
                head = heads[self._owner_key(log)]
                before = await self._last_before(executor, log, messages[0].sequence)
                if fault := misplaced(MESSAGE_SCHEMA, log, messages, before, head):
                    raise fault
            # A write, so that who deletes one of them meanwhile collides with this.
            await executor.update_many(
                CONVERSATIONS.name, {"_id": {"$in": keys}}, {"$inc": {RESTORED: 1}}
            )
            await executor.insert(self._name, documents)

        seconds = self._executor.deadline + len(documents) * SECONDS_PER_MESSAGE
        await self._executor.atomically(restored, seconds=seconds)

    async def _last_before(self, executor: Executor, log: str, place: int) -> int:
        """The last place before one in which there is a message, or 0."""
        if place == 1:
            return 0
        found = await executor.find(
            self._name,
            {**self._log_filter(log), "sequence": {"$lt": place}},
            projection={"sequence": 1},
            sort=[("sequence", -1)],
            limit=1,
        )
        return found[0]["sequence"] if found else 0

    async def _history(
        self, log: str, after: int, before: int | None, limit: int, backwards: bool
    ) -> Sequence[Message]:
        between = {"$gt": after} if before is None else {"$gt": after, "$lt": before}
        found = await self._executor.find(
            self._name,
            {**self._log_filter(log), "sequence": between},
            projection=self._shown,
            sort=[("sequence", -1 if backwards else 1)],
            limit=limit,
        )
        return self._entities(found)

    @writing
    async def _annotate(self, id: str, changes: Mapping[str, Any]) -> Message:
        annotated = await self._executor.find_one_and_update(
            self._name,
            {"_id": self._key(id), "deleted_at": None},
            {"$set": self._mapper.changes(changes)},
            projection=self._shown,
        )
        if annotated is not None:
            return self._entity(annotated)
        if not await self._exists(id):
            raise EntityNotFoundError(self.schema.name, id)
        raise refuse_redacted()

    @writing
    async def _redact(self, id: str, now: datetime) -> Message:
        return await self._executor.atomically(lambda executor: self._redacted(executor, id, now))

    async def _redacted(self, executor: Executor, id: str, now: datetime) -> Message:
        key = self._key(id)
        found = await executor.find_one(self._name, {"_id": key}, projection=self._shown)
        if found is None:
            raise EntityNotFoundError(self.schema.name, id)
        message = self._entity(found)
        redacted = message.redacted(at=now)
        if redacted is message:
            return message
        left = self._mapper.document(redacted)
        del left["_id"]
        await executor.update_many(self._name, {"_id": key}, {"$set": left})
        await executor.update_many(
            CONVERSATIONS.name,
            {"_id": self._owner_key(message.conversation_id), "message_count": {"$gt": 0}},
            {"$inc": {"message_count": -1}},
        )
        if message.idempotency_key is not None:
            # The append that it came with, which isn't one that used the key after a restoration.
            place = message.sequence
            behind = {"$gt": [{"$add": ["$sequence", f"${REPLAY}.count"]}, place]}
            await executor.update_many(
                self._name,
                {
                    **self._log_filter(message.conversation_id),
                    _KEY: message.idempotency_key,
                    "sequence": {"$lte": place},
                    "$expr": behind,
                },
                {"$unset": {_DIGEST: ""}},
            )
        return redacted

    def _owner_key(self, log: str) -> str:
        return CONVERSATIONS.mapper.key(self._tenant, log)

    def _log_filter(self, log: str) -> Document:
        return {"tenant_id": self._tenant, "conversation_id": log}
