"""One thing to remember, and how to ask for it, in each kind of server."""

import asyncio

import asyncpg
from pymongo import MongoClient
from redis import Redis

from bootstrap.embedded import ServerKind, ServerUrls


def remember(urls: ServerUrls, kind: ServerKind, text: str) -> None:
    """Writes it, durably where the folder is."""
    if kind == "postgres":

        async def write() -> None:
            connection = await asyncpg.connect(urls.postgres_owner)
            try:
                await connection.execute("CREATE TABLE memory (text text)")
                await connection.execute("INSERT INTO memory VALUES ($1)", text)
            finally:
                await connection.close()

        asyncio.run(write())
    elif kind == "mongo":
        with (
            MongoClient[dict[str, str]](urls.mongo) as client,
            client.start_session() as session,
            session.start_transaction(),
        ):
            client["dialogbase"].memory.insert_one({"text": text}, session=session)
    else:
        with Redis.from_url(urls.valkey) as client:
            client.set("memory", text)


def remembered(urls: ServerUrls, kind: ServerKind) -> str | None:
    """What was written, None if nothing was."""
    if kind == "postgres":

        async def read() -> str | None:
            connection = await asyncpg.connect(urls.postgres_owner)
            try:
                text: str | None = await connection.fetchval("SELECT text FROM memory")
                return text
            finally:
                await connection.close()

        return asyncio.run(read())
    if kind == "mongo":
        with MongoClient[dict[str, str]](urls.mongo) as client:
            document = client["dialogbase"].memory.find_one()
            return document["text"] if document else None
    with Redis.from_url(urls.valkey, decode_responses=True) as client:
        value = client.get("memory")
        assert value is None or isinstance(value, str)
        return value


def setting(urls: ServerUrls, query: str) -> str:
    """PostgreSQL's answer to a query of one value."""

    async def read() -> str:
        connection = await asyncpg.connect(urls.postgres_owner)
        try:
            return str(await connection.fetchval(query))
        finally:
            await connection.close()

    return asyncio.run(read())
