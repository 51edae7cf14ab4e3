"""The store of the MongoDB adapter, and its units of work."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar, Self

from adapters.mongo.autocommit import ClientExecutor
from adapters.mongo.collections import TOMBSTONES
from adapters.mongo.contexts import MongoContextRepository
from adapters.mongo.conversations import MongoConversationRepository
from adapters.mongo.driver import Client, MongoOptions
from adapters.mongo.executor import Executor
from adapters.mongo.maintenance import MongoMaintenance
from adapters.mongo.messages import MongoMessageRepository
from adapters.mongo.tombstones import MongoTombstones
from adapters.mongo.transaction import TransactionExecutor
from adapters.mongo.turns import Turns
from adapters.mongo.way_down import aggregate
from domain.identity import NOBODY, Author, TenantId, tenant_id
from ports.capabilities import Capability
from ports.contexts import ContextRepository
from ports.conversations import ConversationRepository
from ports.gate import Gate, UnitGate
from ports.messages import MessageRepository
from ports.port_archives import DialogueArchive
from ports.reading import Context
from ports.stores import DialogueStore
from ports.time import Clock, IdGenerator
from ports.tombstones import STALENESS
from ports.unit_of_work import DialogueRepositories, DialogueUnit


class MongoStore(DialogueStore):
    """Dialogue data in MongoDB 6.0 or later, a replica set; migrated beforehand.

    Every acknowledged write is in the journals of a majority of the members.
    """

    name: ClassVar[str] = "mongo"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.TRANSACTIONS, Capability.REGEX, Capability.DURABLE}
    )

    def __init__(
        self,
        client: Client,
        clock: Clock,
        ids: IdGenerator,
        *,
        staleness: timedelta = STALENESS,
    ) -> None:
        self._client = client
        self._clock = clock
        self._ids = ids
        self._executor = ClientExecutor(client)
        self._tombstones = MongoTombstones(self._executor, TOMBSTONES, clock, staleness=staleness)
        client.on_close(self._tombstones.close)
        self._turns = Turns(client.options.deadline)

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        clock: Clock,
        ids: IdGenerator,
        options: MongoOptions | None = None,
        staleness: timedelta = STALENESS,
    ) -> Self:
        """A store at `url`, such as `mongodb://user:password@host:27017/database`.

        It connects when it is first used. `staleness`: how long an erasure by another process may
        be unknown here.

        Raises:
            StoreUnavailableError: if it isn't a URL for MongoDB.
        """
        client = Client.open(url, options or MongoOptions())
        return cls(client, clock, ids, staleness=staleness)

    async def close(self) -> None:
        """Close every connection, when what they are used for is over or the deadline passed."""
        await self._client.close()

    def repositories(self, tenant: TenantId, author: Author = NOBODY) -> DialogueRepositories:
        gate = self._tombstones.gate
        return self._repositories(tenant, author, self._executor, self._turns, gate)

    @asynccontextmanager
    async def unit(self, tenant: TenantId, author: Author = NOBODY) -> AsyncIterator[DialogueUnit]:
        executor, gate = TransactionExecutor(self._client), UnitGate(self._tombstones.gate)
        async with executor.whole():
            yield self._repositories(tenant, author, executor, None, gate)
            await gate.confirm()

    def maintenance(self) -> MongoMaintenance:
        made = MongoMaintenance(self._executor, self._tombstones, self._clock)
        return made.keeping(DialogueArchive(self.repositories, self._tombstones.gate))

    def aggregate(
        self, tenant: TenantId, collection: str, pipeline: Sequence[Mapping[str, Any]]
    ) -> AsyncGenerator[Mapping[str, Any], None]:
        """The way down, for what no port covers: what an aggregation pipeline gives, read as the
        tenant.

            by_channel = [{"$group": {"_id": "$channel", "n": {"$sum": 1}}}]
            async for row in store.aggregate(tenant, "conversations", by_channel): ...

        Of the collection `conversations`, `messages`, `contexts` or `events`. The tenant's own
        `$match` comes first, whatever the pipeline says. Stages may only read what is before them:
        those that write, reach other collections, tell of the server or run JavaScript are refused.
        Documents are as they are stored, companions (`words`, `folded_…`) included: they may change
        with a migration.

        Streamed, some hundred in memory at a time, as of one moment (which MongoDB keeps for five
        minutes); who may stop before closes the iterator (`contextlib.aclosing`). The deadline is
        each fetch's. The pipeline is the service's own: of what a user gives, only values belong
        into it, checked by their type, since a mapping would be an operator.

        Raises:
            InvalidQueryError: for what is refused, or what MongoDB doesn't take.
            StoreUnavailableError, StoreTimeoutError: if the store failed.
        """
        return aggregate(self._client, tenant_id(tenant), collection, pipeline)

    async def check(self) -> None:
        await self._executor.ping()

    def _repositories(
        self,
        tenant: TenantId,
        author: Author,
        executor: Executor,
        turns: Turns | None,
        gate: Gate,
    ) -> "MongoRepositories":
        context = Context(tenant=tenant, clock=self._clock, ids=self._ids, author=author, gate=gate)
        return MongoRepositories(context, executor, turns)


class MongoRepositories(DialogueUnit):
    """A tenant's repositories on one executor: a unit of work's transaction, or the client."""

    def __init__(self, context: Context, executor: Executor, turns: Turns | None) -> None:
        self._context = context
        self._executor = executor
        self._turns = turns

    @cached_property
    def conversations(self) -> ConversationRepository:
        return MongoConversationRepository(self._context, self._executor)

    @cached_property
    def messages(self) -> MessageRepository:
        return MongoMessageRepository(self._context, self._executor, self._turns)

    @cached_property
    def contexts(self) -> ContextRepository:
        return MongoContextRepository(self._context, self._executor)
