"""Pages by cursor, as handlers take and give them."""

from typing import Annotated, Generic, TypeAlias, TypeVar

from fastapi import Query
from pydantic import BaseModel

T = TypeVar("T")
MAX_LIMIT = 100

Cursor: TypeAlias = Annotated[
    str | None, Query(max_length=4_096, description="The `next` of the page before this one.")
]
Limit: TypeAlias = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many items at most.")]


class Page(BaseModel, Generic[T]):
    """Some items, and the cursor for those after them: null at the end.

    found = await scope.flows.scan(order="name", after=cursor, limit=limit)
    return Page(items=[shape(flow) for flow in found.items], next=found.next)
    """

    items: list[T]
    next: str | None
