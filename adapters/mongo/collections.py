"""The collections: what is kept where, and which indexes serve what is asked of them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

import attrs

from adapters.mongo.documents import KEY, WORDS, DocumentMapper
from adapters.mongo.errors import DuplicateKey
from adapters.mongo.indexes import Index
from adapters.mongo.validators import validator
from ports.analytics import EVENT_SCHEMA
from ports.contexts import CONTEXT_SCHEMA
from ports.conversations import CONVERSATION_SCHEMA
from ports.messages import MESSAGE_SCHEMA
from ports.schema import EntitySchema

REPLAY: Final = "replay"
"""The mark on the first message of an append with an idempotency key: `{key, digest, count}`,
without the digest once a message of the append was redacted.
"""

RESTORED: Final = "restored"
"""The mark on a conversation whose messages were restored, raised so that the transactions which do
so collide with those that delete it.
"""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Collection:
    """A collection of one type of entity.

    `marks`: further fields that the store itself keeps in documents, with the schema of each.
    `retired`: names of indexes that it must not have.
    """

    name: str
    mapper: DocumentMapper[Any]
    indexes: tuple[Index, ...]
    marks: Mapping[str, Any] = attrs.field(factory=dict)
    retired: frozenset[str] = frozenset()

    @property
    def schema(self) -> EntitySchema[Any]:
        """What is asked of its entities."""
        schema: EntitySchema[Any] = self.mapper.schema
        return schema

    @property
    def shown(self) -> dict[str, int]:
        """The projection that leaves out what no entity is made of."""
        return dict.fromkeys((*(each.name for each in self.mapper.companions), *self.marks), 0)

    @property
    def validator(self) -> dict[str, Any]:
        """What the server checks at every write."""
        return validator(self.mapper, self.marks)

    def unique_key(self, taken: DuplicateKey) -> tuple[str, ...]:
        """How a `DuplicateEntityError` names the unique index that refused a document."""
        fields = {tuple(path for path, _ in each.keys): each.entity_key for each in self.indexes}
        return fields.get(taken.key, ("id",))


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Plain:
    """A collection of documents that are no entity's, with what the server checks of them."""

    name: str
    validator: dict[str, Any]
    indexes: tuple[Index, ...]
    retired: frozenset[str] = frozenset()


Declared: TypeAlias = Collection | Plain

_TENANT = ("tenant_id", 1)
_KEY_BACKWARDS = (KEY, -1)
_LATEST = datetime.max.replace(microsecond=999_000, tzinfo=UTC)

CONVERSATIONS: Final = Collection(
    name="conversations",
    mapper=DocumentMapper(CONVERSATION_SCHEMA),
    indexes=(
        Index(
            name="ix_conversations_started",
            keys=(_TENANT, ("started_at", -1), _KEY_BACKWARDS),
        ),
        Index(
            name="ix_conversations_activity",
            keys=(_TENANT, ("last_activity_at", -1), _KEY_BACKWARDS),
        ),
        Index(
            name="ix_conversations_user",
            keys=(
                _TENANT,
                ("user_id", 1),
                ("status", 1),
                ("last_activity_at", -1),
                _KEY_BACKWARDS,
            ),
        ),
        Index(
            name="ix_conversations_active",
            keys=(_TENANT, ("last_activity_at", 1), (KEY, 1)),
            where={"status": "active"},
        ),
        Index(name="ix_conversations_words", keys=((WORDS, 1),)),
        Index(
            name="ix_conversations_idle",
            keys=(("status", 1), ("last_activity_at", 1), (KEY, 1)),
        ),
        Index(
            name="ix_conversations_retained",
            keys=(("retain_until", 1), (KEY, 1)),
            # Not `$type`, which MongoDB doesn't see in a condition `$lte` on a date.
            where={"retain_until": {"$lte": _LATEST}},
        ),
        Index(
            name="ix_conversations_ended",
            keys=(("retain_until", 1), ("completed_at", 1), (KEY, 1)),
            where={"completed_at": {"$lte": _LATEST}},
        ),
    ),
    marks={RESTORED: {"bsonType": ["int", "long"]}},
)

MESSAGES: Final = Collection(
    name="messages",
    mapper=DocumentMapper(
        MESSAGE_SCHEMA,
        {
            "text": "content.text",
            "content_type": "content.type",
            "intent": "analysis.intent",
            "confidence": "analysis.confidence",
        },
    ),
    indexes=(
        Index(
            name="uq_messages_sequence",
            keys=(_TENANT, ("conversation_id", 1), ("sequence", 1)),
            unique=True,
            entity_key=("conversation_id", "sequence"),
        ),
        Index(
            name="uq_messages_replay",
            keys=(_TENANT, ("conversation_id", 1), (f"{REPLAY}.key", 1)),
            unique=True,
            where={f"{REPLAY}.key": {"$exists": True}},
            entity_key=("conversation_id", "idempotency_key"),
        ),
        Index(name="ix_messages_words", keys=((WORDS, 1),)),
        Index(
            name="ix_messages_intent",
            keys=(_TENANT, ("analysis.intent", 1), ("at", -1), _KEY_BACKWARDS),
            where={"analysis.intent": {"$exists": True}},
        ),
        Index(name="ix_messages_at", keys=(_TENANT, ("at", -1), _KEY_BACKWARDS)),
    ),
    marks={
        REPLAY: {
            "bsonType": "object",
            "required": ["key", "count"],
            "properties": {
                "key": {"bsonType": "string"},
                "digest": {"bsonType": "string"},
                "count": {"bsonType": ["int", "long"], "minimum": 1},
            },
        }
    },
)

CONTEXTS: Final = Collection(
    name="contexts",
    mapper=DocumentMapper(CONTEXT_SCHEMA, added=("execution",)),
    indexes=(Index(name="ix_contexts_user", keys=(_TENANT, ("user_id", 1))),),
)

ALL: Final = (CONVERSATIONS, MESSAGES, CONTEXTS)
"""Every collection of the dialogue data."""

UNCOUNTED: Final = "uncounted"
"""The mark on an execution that isn't counted in its flow's figures yet: `{due, since}`, when it is
to be looked at next and when it was recorded.
"""

EVENTS_EXPIRY: Final = "ix_events_expiry"
EVER: Final = datetime(1, 1, 1, tzinfo=UTC)

EVENTS: Final = Collection(
    name="events",
    mapper=DocumentMapper(EVENT_SCHEMA),
    indexes=(
        Index(name="ix_events_type", keys=(_TENANT, ("type", 1), ("at", 1))),
        # With the key: listed are events in order of time, and any number may be of one time.
        Index(name="ix_events_at", keys=(_TENANT, ("at", 1), (KEY, 1))),
        Index(
            name="ix_events_user",
            keys=(_TENANT, ("user_id", 1)),
            where={"user_id": {"$gt": ""}},
        ),
        Index(
            name="ix_events_uncounted",
            keys=((f"{UNCOUNTED}.due", 1), (f"{UNCOUNTED}.since", 1)),
            where={f"{UNCOUNTED}.due": {"$gte": EVER}},
        ),
    ),
    marks={
        UNCOUNTED: {
            "bsonType": "object",
            "required": ["due", "since"],
            "properties": {"due": {"bsonType": "date"}, "since": {"bsonType": "date"}},
        }
    },
    retired=frozenset({EVENTS_EXPIRY}),
)
"""Analytics events, in a plain collection.

A time-series collection takes less room (measured on 200 000 events with MongoDB 6.0.5: 6 MB for
37, indexes included) and is read twice as fast; but it has no unique ids, so that nothing could be
recorded once and no more, it deletes by its meta field alone, so that no user's events could be
erased, and it has no validator. What comes late or in no order of time costs it several times as
much (385 µs an event for 29; in order of time 28 for 52).
"""


def _tombstones(name: str) -> Plain:
    fields = {
        "_id": {"bsonType": "string"},
        "tenant_id": {"bsonType": "string"},
        "user_hash": {"bsonType": "string"},
        "user_id": {"bsonType": ["string", "null"]},
        "at": {"bsonType": "date"},
        "until": {"bsonType": "date"},
        "erased": {"bsonType": "object", "additionalProperties": {"bsonType": ["int", "long"]}},
        "finished_at": {"bsonType": ["date", "null"]},
        "number": {"bsonType": ["int", "long"]},
    }
    tombstone = {"bsonType": "object", "required": [*fields], "properties": fields}
    counter = {"bsonType": "object", "properties": {"_id": {"enum": [COUNTER]}}}
    return Plain(
        name=name,
        validator={"$jsonSchema": {"anyOf": [counter, tombstone]}},
        indexes=(
            Index(name=f"ix_{name}_number", keys=(("number", 1),)),
            Index(name=f"ix_{name}_tenant", keys=(_TENANT, (KEY, 1))),
            Index(name=f"ix_{name}_unfinished", keys=(_TENANT, (KEY, 1)), where={UNFINISHED: True}),
            Index(name=f"ix_{name}_until", keys=(("until", 1),), expires_after=0),
        ),
    )


COUNTER: Final = "!"
"""The key of the document that holds the last `number` that was given to a tombstone."""
UNFINISHED: Final = "unfinished"
"""The mark on a tombstone whose erasure isn't finished."""

TOMBSTONES: Final = _tombstones("tombstones")
EVENT_TOMBSTONES: Final = _tombstones("event_tombstones")
"""Of the dialogue data and of the analytics events: each store has its own. The server removes
those whose `until` has passed. The erasure of a tenant leaves them."""


def every(retention: timedelta | None) -> tuple[Declared, ...]:
    """Every collection there is, where analytics events are kept for so long."""
    further = (TOMBSTONES, EVENT_TOMBSTONES)
    if retention is None:
        return (*ALL, EVENTS, *further)
    expiry = Index(
        name=EVENTS_EXPIRY, keys=(("at", 1),), expires_after=retention // timedelta(seconds=1)
    )
    expiring = attrs.evolve(EVENTS, indexes=(*EVENTS.indexes, expiry), retired=frozenset())
    return (*ALL, expiring, *further)
