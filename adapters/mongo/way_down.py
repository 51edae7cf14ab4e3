"""The way down: what no port covers, asked of MongoDB in its own words, as the tenant."""

from collections.abc import AsyncGenerator, Awaitable, Iterator, Mapping, Sequence
from functools import partial
from inspect import isawaitable
from typing import Any, Final

import pymongo.errors

from adapters.mongo.collections import ALL, EVENTS
from adapters.mongo.driver import Client
from adapters.mongo.errors import failed
from domain.identity import TenantId
from ports.errors import InvalidQueryError, RepositoryError

_FETCHED: Final = 200
"""Documents in memory at a time."""

_READING: Final = frozenset(
    {
        *("$match", "$project", "$set", "$addFields", "$unset", "$replaceRoot", "$replaceWith"),
        *("$group", "$bucket", "$bucketAuto", "$sortByCount", "$count", "$setWindowFields"),
        *("$sort", "$skip", "$limit", "$sample", "$unwind", "$facet", "$redact"),
        *("$densify", "$fill"),
    }
)
"""Stages that read the documents before them and nothing else. Whatever a later MongoDB adds is
refused until it stands here."""

_SCRIPTS: Final = frozenset({"$function", "$accumulator", "$where"})
"""Operators that run JavaScript in the server."""


async def aggregate(
    client: Client, tenant: TenantId, collection: str, pipeline: Sequence[Mapping[str, Any]]
) -> AsyncGenerator[Mapping[str, Any], None]:
    """As the stores' `aggregate` promises."""
    if collection not in {each.name for each in (*ALL, EVENTS)}:
        raise InvalidQueryError("there is no such collection")
    stages = [_tenants(tenant), *_checked(pipeline)]
    seconds = client.options.deadline
    cursor: Any = None
    try:
        cursor = client.snapshot(collection).aggregate(stages, batchSize=_FETCHED)
        if isawaitable(cursor):  # PyMongo's asks at once, Motor's when it is first read
            cursor = await client.alone(False, seconds, partial(_itself, cursor))
        while found := await client.alone(False, seconds, cursor.to_list, _FETCHED):
            for document in found:
                yield document
    except RepositoryError as error:
        failure: Exception = error
    except Exception as error:  # noqa: BLE001  # whatever it is, it is told below
        failure = _told(error, collection)
    else:
        return
    finally:
        if cursor is not None:
            client.leave(_closed(cursor))
    raise failure


def _itself(asked: Awaitable[Any]) -> Awaitable[Any]:
    return asked


def _tenants(tenant: TenantId) -> dict[str, Any]:
    # Either may be what an index begins with.
    return {"$match": {"tenant_id": tenant, "_id": {"$gt": f"{tenant}!", "$lt": f'{tenant}"'}}}


def _checked(pipeline: object) -> Iterator[dict[str, Any]]:
    if not isinstance(pipeline, Sequence) or isinstance(pipeline, str | bytes):
        raise InvalidQueryError("a pipeline must be a sequence of stages")
    for stage in pipeline:
        if not isinstance(stage, Mapping) or len(stage) != 1:
            raise InvalidQueryError("each stage must be a mapping of one name")
        ((name, content),) = stage.items()
        if name not in _READING:
            raise InvalidQueryError("a stage does more than to read what is before it, or is none")
        _refuse_scripts(content)
        if name == "$facet":
            if not isinstance(content, Mapping):
                raise InvalidQueryError("$facet must be pipelines by their names")
            content = {facet: list(_checked(inner)) for facet, inner in content.items()}
        yield {name: content}


def _refuse_scripts(content: object) -> None:
    waiting = [content]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Mapping):
            if not _SCRIPTS.isdisjoint(each):
                raise InvalidQueryError("no JavaScript is run in the server")
            waiting.extend(each.values())
        elif isinstance(each, list | tuple):
            waiting.extend(each)


def _told(error: Exception, collection: str) -> Exception:
    told = failed(error, writing=False, collection=collection)
    if type(told) is RepositoryError and isinstance(error, pymongo.errors.OperationFailure):
        return InvalidQueryError(f"MongoDB doesn't take the pipeline (code {error.code})")
    return told


async def _closed(cursor: Any) -> None:
    try:
        await cursor.close()
    except pymongo.errors.PyMongoError:
        return  # the server forgets it by itself, after ten minutes
