"""Beanie over the same collections: its documents have our documents' fields.

On PyMongo's asynchronous client, the one that its current version knows.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import beanie
from beanie import UpdateResponse
from pydantic import BaseModel, ConfigDict, Field

from benchmarks.mongo.bare import Bare, BarePymongo, open_bare
from domain.conversations import Channel, ConversationStatus
from domain.messages import ContentType, Direction

Json = dict[str, Any]


class Visit(BaseModel):
    """A state of a conversation's history."""

    state: str
    at: datetime


class PeerConversation(beanie.Document):
    """A conversation, with the companions that our indexes need."""

    id: str = Field(alias="_id")  # type: ignore[assignment]  # as Beanie's documentation has it
    tenant_id: str
    user_id: str
    session_id: str | None
    channel: Channel
    channel_metadata: Json
    status: ConversationStatus
    status_reason: str | None
    started_at: datetime
    last_activity_at: datetime
    completed_at: datetime | None
    flow_id: UUID | None
    flow_version: str | None
    current_state: str | None
    state_history: list[Visit]
    experiment_id: UUID | None
    variant: str | None
    tags: list[str]
    summary: str | None
    business_context: Json
    metrics: Json
    last_sequence: int
    message_count: int
    retain_until: datetime | None
    created_at: datetime
    updated_at: datetime
    revision: int
    folded_summary: str | None
    words: list[str]

    class Settings:
        """The collection."""

        name = "conversations"


class Part(BaseModel):
    """What an entity has within itself."""

    model_config = ConfigDict(extra="forbid")


class PeerAttachment(Part):
    """A file."""

    url: str
    media_type: str | None = None
    name: str | None = None
    size_bytes: int | None = None


class PeerReply(Part):
    """An answer that is offered."""

    title: str
    payload: str | None = None


class PeerContent(Part):
    """What was said."""

    type: ContentType
    text: str | None = None
    payload: Json = {}
    attachments: list[PeerAttachment] = []
    quick_replies: list[PeerReply] = []


class PeerEntity(Part):
    """Something named."""

    type: str
    value: str
    confidence: float | None = None
    start: int | None = None
    end: int | None = None


class PeerAnalysis(Part):
    """What was understood."""

    intent: str | None = None
    confidence: float | None = None
    entities: list[PeerEntity] = []
    sentiment: float | None = None
    language: str | None = None


class PeerGeneration(Part):
    """How it was generated."""

    model: str
    provider: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    duration_ms: int | None = None
    finish_reason: str | None = None
    metadata: Json = {}


class PeerModeration(Part):
    """What a moderator found."""

    flagged: bool
    categories: list[str] = []
    action: str | None = None
    metadata: Json = {}


class PeerMessage(beanie.Document):
    """A message, likewise."""

    id: str = Field(alias="_id")  # type: ignore[assignment]  # as Beanie's documentation has it
    tenant_id: str
    conversation_id: str
    sequence: int
    direction: Direction
    sender: str | None
    content: PeerContent
    channel: Channel | None
    at: datetime
    idempotency_key: str | None
    analysis: PeerAnalysis | None
    generation: PeerGeneration | None
    moderation: PeerModeration | None
    deleted_at: datetime | None
    words: list[str]

    class Settings:
        """The collection."""

        name = "messages"


class Peer:
    """The operations that are compared. They see each document whole, companions included."""

    def __init__(self, bare: Bare) -> None:
        self.bare = bare

    def instance(self, document: Json) -> PeerConversation:
        """What its users hold."""
        made: PeerConversation = PeerConversation.model_validate(document)
        return made

    async def get(self, key: str) -> Any:
        """One by its key."""
        return await PeerConversation.get(key)

    async def insert(self, conversation: PeerConversation) -> Any:
        """One new."""
        return await conversation.insert()

    async def replace(self, conversation: PeerConversation, summary: Json) -> Any:
        """Compare-and-set of all that our own sets, at the revision that was read."""
        changes = {**conversation.model_dump(exclude=_KEPT), **summary}
        return await PeerConversation.find_one(
            {"_id": conversation.id, "revision": conversation.revision}
        ).update(
            {"$set": changes, "$inc": {"revision": 1}}, response_type=UpdateResponse.NEW_DOCUMENT
        )

    async def newest(self, tenant: str) -> list[Any]:
        """A page of 50, the latest first."""
        found: list[Any] = await (
            PeerConversation.find({"tenant_id": tenant})
            .sort("-started_at", "-_id")
            .limit(50)
            .to_list()
        )
        return found

    async def history(self, tenant: str, conversation: str, after: int) -> list[Any]:
        """50 messages after a number."""
        found: list[Any] = await (
            PeerMessage.find(
                {
                    "tenant_id": tenant,
                    "conversation_id": conversation,
                    "sequence": {"$gt": after},
                }
            )
            .sort("+sequence")
            .limit(50)
            .to_list()
        )
        return found

    async def insert_many(self, conversations: Sequence[PeerConversation]) -> None:
        """All of them or none."""
        async with self.bare.transaction() as session:
            await PeerConversation.insert_many(conversations, session=session)


@asynccontextmanager
async def open_peer(url: str, connections: int) -> AsyncIterator[Peer]:
    """The peer over the collections as they are in the database."""
    bare = open_bare(url, "pymongo", connections)
    assert isinstance(bare, BarePymongo)
    try:
        await beanie.init_beanie(
            database=bare.database, document_models=[PeerConversation, PeerMessage]
        )
        yield Peer(bare)
    finally:
        await bare.close()


_KEPT = {
    *("id", "tenant_id", "created_at", "revision"),
    *("last_sequence", "message_count", "last_activity_at"),
}
