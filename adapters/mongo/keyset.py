"""Pages by position: what stands after a place in an order, read as ranges of an index.

What follows a place (v1, v2, …) is a sequence of disjoint ranges: those that agree on all keys but
the last, then those that agree on all but the last two, and so on; of a key that can be null, the
nulls, which stand last in either direction, are a range of their own. Each range is read in order
off an index, and the next begins only when one is exhausted: one pipeline joins them by
`$unionWith`, which asks its second input for nothing before its first is spent. As one filter with
`$or`, MongoDB would read all that is equal on the first key, or the index from its beginning.

A first page is one range, and a plain find. (Two, if the first key ascends and can be null: to
MongoDB, null is less than anything.)
"""

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any, TypeAlias

import attrs

from adapters.mongo.collections import Collection
from adapters.mongo.criteria import Filter, all_of, matching
from adapters.mongo.documents import KEY, DocumentMapper
from domain.identity import TenantId
from ports.paging import Order, Position, SortKey
from ports.reading import Selection

Stage: TypeAlias = dict[str, Any]
Sorting: TypeAlias = list[tuple[str, int]]
_ABSENT = "absent_{}"
"""A field, of a pipeline alone, that puts the nulls of a key behind the rest."""


@attrs.frozen
class Segment:
    """A range of what is to be read: what it holds, and its order.

    `absent`: the paths whose nulls the order puts last by a computed field, which no index serves.
    """

    filter: Filter
    sort: Sorting
    absent: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Query:
    """What reads a page: a find, or, unless it is None, the pipeline.

    `parts`: in a transaction, where MongoDB has no `$unionWith`, the ranges that the pipeline
    joins; to be read in order until there is enough, and to be cut like the whole.
    """

    filter: Filter
    sort: Sorting
    limit: int
    skip: int
    pipeline: list[Stage] | None = None
    parts: tuple[list[Stage], ...] = ()


def page(tenant: TenantId, selection: Selection, collection: Collection) -> Query:
    """The query that reads a tenant's page: in one round trip, or in a transaction one a range."""
    mapper, order = collection.mapper, selection.order
    own: Filter = {"tenant_id": tenant}
    if order.keys[0].field.name == "id":
        # Then `_id` has the order, and this is where the tenant's begin and end in it.
        own[KEY] = mapper.keys(tenant)
    wanted = matching(selection.criteria, mapper, tenant)
    ranges = [
        attrs.evolve(segment, filter=_within(own, all_of([segment.filter, wanted])))
        for segment in segments(tenant, order, selection.after, mapper)
    ]
    first, *others = ranges or [Segment({KEY: {"$in": []}}, [])]
    reach = selection.offset + selection.limit
    pipeline: list[Stage] | None = None
    parts: tuple[list[Stage], ...] = ()
    if others or first.absent:
        shown = {"$project": collection.shown}
        parts = tuple([*_stages(segment, reach), shown] for segment in (first, *others))
        pipeline = _stages(first, reach)
        pipeline += [
            {"$unionWith": {"coll": collection.name, "pipeline": _stages(segment, reach)}}
            for segment in others
        ]
        pipeline += [{"$skip": selection.offset}] if selection.offset else []
        pipeline += [{"$limit": selection.limit}, shown]
    return Query(
        filter=first.filter,
        sort=first.sort,
        limit=selection.limit,
        skip=selection.offset,
        pipeline=pipeline,
        parts=parts,
    )


def _within(own: Filter, wanted: Filter) -> Filter:
    return {**own, "$and": [wanted]} if wanted else own


def _stages(segment: Segment, limit: int) -> list[Stage]:
    stages: list[Stage] = [{"$match": segment.filter}]
    if segment.absent:
        stages.append(
            {"$set": {_absent(path): {"$lte": [f"${path}", None]} for path in segment.absent}}
        )
    stages += [{"$sort": dict(segment.sort)}, {"$limit": limit}]
    return stages


def _absent(path: str) -> str:
    return _ABSENT.format(path.replace(".", "_"))


def segments(
    tenant: TenantId, order: Order, after: Position | None, mapper: DocumentMapper[Any]
) -> list[Segment]:
    """The ranges that follow `after`, or make up the whole, in order; they share nothing."""
    if after is None:
        return list(_whole(order, mapper))
    keys = order.keys
    values = [_value(tenant, key, value, mapper) for key, value in zip(keys, after, strict=True)]
    return list(_following(keys, values, mapper))


def _whole(order: Order, mapper: DocumentMapper[Any]) -> Iterator[Segment]:
    first = order.keys[0]
    path = mapper.path(first.field.name)
    if not first.field.nullable or first.descending:
        yield _segment({}, order.keys, 0, mapper)
        return
    yield _segment({path: {"$ne": None}}, order.keys, 0, mapper)
    yield _segment({path: None}, order.keys, 0, mapper)


def _following(
    keys: Sequence[SortKey], values: Sequence[Any], mapper: DocumentMapper[Any]
) -> Iterator[Segment]:
    paths = [mapper.path(key.field.name) for key in keys]
    for last in reversed(range(len(keys))):
        if values[last] is None:
            continue  # nothing but nulls follows a null, and those agree with it
        same: Filter = {
            path: {"$eq": value} for path, value in zip(paths[:last], values, strict=False)
        }
        beyond = {"$lt" if keys[last].descending else "$gt": values[last]}
        yield _segment({**same, paths[last]: beyond}, keys, last, mapper)
        if keys[last].field.nullable:
            yield _segment({**same, paths[last]: None}, keys, last, mapper)


def _segment(
    wanted: Filter, keys: Sequence[SortKey], free: int, mapper: DocumentMapper[Any]
) -> Segment:
    """A range in which the keys after `free` may have any value, that at `free` isn't both null
    and not, and those before are fixed. (Those stay in the order: the index has them.)"""
    sort: Sorting = []
    absent: list[str] = []
    for place, key in enumerate(keys):
        path = mapper.path(key.field.name)
        if place > free and key.field.nullable and not key.descending:
            absent.append(path)
            sort.append((_absent(path), 1))
        sort.append((path, -1 if key.descending else 1))
    return Segment(wanted, sort, tuple(absent))


def _value(tenant: TenantId, key: SortKey, value: Any, mapper: DocumentMapper[Any]) -> Any:
    if key.field.name == "id":
        return mapper.key(tenant, value)
    return value.value if isinstance(value, Enum) else value
