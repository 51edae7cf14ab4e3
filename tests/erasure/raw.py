"""Everything that lies in real stores, read past the adapters: where does a marker stand?"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

import bson
import redis
from pymongo import MongoClient

from bootstrap.settings import Settings


def traces(settings: Settings, marker: str) -> Counter[str]:
    """In how many rows, documents and keys of what it stands, in whatever part of them."""
    assert settings.postgres_owner_url is not None
    assert settings.mongo_url is not None
    assert settings.redis_url is not None
    found = asyncio.run(_tables(settings.postgres_owner_url, marker))
    found.update(_documents(settings.mongo_url, marker.encode()))
    found.update(_keys(settings.redis_url, marker.encode()))
    return found


async def _tables(url: str, marker: str) -> Counter[str]:
    """All rows, or this fails: the owner is let see them, in a transaction that is undone."""
    import asyncpg

    connection = await asyncpg.connect(url)
    found: Counter[str] = Counter()
    try:
        undone = connection.transaction()
        await undone.start()
        await connection.execute("SET LOCAL row_security = off")
        tables = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        )
        for (table,) in tables:
            await connection.execute(f'ALTER TABLE "{table}" NO FORCE ROW LEVEL SECURITY')
            asked = f'SELECT count(*) FROM "{table}" AS one WHERE position($1 IN one::text) > 0'
            found[table] = await connection.fetchval(asked, marker)
        await undone.rollback()
    finally:
        await connection.close()
    return +found


def _documents(url: str, marker: bytes) -> Iterator[str]:
    client: MongoClient[dict[str, Any]]
    with MongoClient(url) as client:
        database: Any = client.get_default_database()
        for name in database.list_collection_names():
            for document in database[name].find():
                if marker in bson.encode(document):
                    yield name


def _keys(url: str, marker: bytes) -> Iterator[str]:
    with redis.Redis.from_url(url) as client:
        for name in client.scan_iter(count=1_000):
            if marker in name or marker in _value(client, name):
                yield name.partition(b"}:")[2].partition(b":")[0].decode()


def _value(client: redis.Redis, name: bytes) -> bytes:
    match client.type(name):
        case b"string":
            return cast(bytes, client.get(name)) or b""
        case b"hash":
            return repr(client.hgetall(name)).encode()
        case b"list":
            return repr(client.lrange(name, 0, -1)).encode()
        case b"set":
            return repr(client.smembers(name)).encode()
        case b"zset":
            return repr(client.zrange(name, 0, -1)).encode()
        case b"stream":
            return repr(client.xrange(name)).encode()
    return b""
