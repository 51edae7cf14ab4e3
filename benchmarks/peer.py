"""advanced-alchemy's async repository over the same table, tuned as its documentation says.

Its own engine and session configuration (its JSON codec included), no expiry on commit, no
refresh after writes, sessions by operation as its integrations with web frameworks make them.
"""

import warnings
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import orjson
from advanced_alchemy.base import CommonTableAttributes
from advanced_alchemy.config import AsyncSessionConfig, EngineConfig, SQLAlchemyAsyncConfig
from advanced_alchemy.filters import LimitOffset
from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from sqlalchemy import JSON, MetaData, Table
from sqlalchemy.exc import SAWarning
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import DeclarativeBase

from benchmarks.bare import TABLE


class Peer:
    """The operations that are compared, each in a session of its own."""

    def __init__(self, config: SQLAlchemyAsyncConfig, table: Table) -> None:
        class Base(CommonTableAttributes, DeclarativeBase):
            __abstract__ = True

        class PeerFlow(Base):
            __table__ = table
            # Its way to compare and set: SQLAlchemy's version counter.
            __mapper_args__ = {"version_id_col": table.c.revision}  # noqa: RUF012  # SQLAlchemy's form

        class Flows(SQLAlchemyAsyncRepository[Any]):
            model_type = PeerFlow

        self.model: Any = PeerFlow
        self._repository: Any = Flows
        self._config = config
        self._sessions = config.create_session_maker()
        self._json = [column.name for column in table.c if isinstance(column.type, JSON)]

    def instance(self, columns: Sequence[str], row: Sequence[Any]) -> Any:
        """A new instance with the values of a row; JSON decoded, as its users hold it."""
        values = dict(zip(columns, row, strict=True))
        for name in self._json:
            values[name] = orjson.loads(values[name])
        return self.model(**values)

    def session(self) -> AsyncSession:
        """A new session."""
        made: AsyncSession = self._sessions()
        return made

    def repository(self, session: AsyncSession) -> Any:
        """The repository of a session."""
        return self._repository(session=session, auto_expunge=True, auto_refresh=False)

    async def get(self, tenant: str, id: UUID) -> Any:
        """One by its key."""
        async with self.session() as session:
            return await self.repository(session).get_one_or_none(tenant_id=tenant, id=id)

    async def insert(self, flow: Any) -> Any:
        """One new, committed."""
        async with self.session() as session:
            return await self.repository(session).add(flow, auto_commit=True)

    async def replace(self, flow: Any) -> Any:
        """An update that fails if the version is another, committed."""
        async with self.session() as session:
            return await self.repository(session).update(flow, auto_commit=True)

    async def newest(self, tenant: str) -> list[Any]:
        """A page of 50."""
        async with self.session() as session:
            page: list[Any] = await self.repository(session).get_many(
                LimitOffset(limit=50, offset=0),
                tenant_id=tenant,
                order_by=[(self.model.created_at, True), (self.model.id, True)],
            )
            return page

    async def insert_many(self, flows: Sequence[Any]) -> None:
        """All of them, committed."""
        async with self.session() as session:
            await self.repository(session).add_many(list(flows), auto_commit=True)


@asynccontextmanager
async def open_peer(url: str, connections: int) -> AsyncIterator[Peer]:
    """The peer over the table as it is in the database."""
    config = SQLAlchemyAsyncConfig(
        connection_string=url.replace("postgresql://", "postgresql+asyncpg://", 1),
        session_config=AsyncSessionConfig(expire_on_commit=False),
        engine_config=EngineConfig(pool_size=connections, max_overflow=0),
    )
    engine: AsyncEngine = config.get_engine()
    try:
        metadata = MetaData()
        async with engine.connect() as connection:
            with warnings.catch_warnings():
                # The search index is on an expression, which reflection leaves out.
                warnings.simplefilter("ignore", SAWarning)
                await connection.run_sync(lambda sync: metadata.reflect(sync, only=[TABLE]))
        yield Peer(config, metadata.tables[TABLE])
    finally:
        await engine.dispose()
