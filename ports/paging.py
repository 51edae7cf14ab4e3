"""Orders, pages and cursors."""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from datetime import date, datetime
from enum import Enum
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

import attrs

from domain.identity import TenantId
from ports.criteria import Criteria
from ports.errors import InvalidQueryError
from ports.schema import EntitySchema, FieldSchema

T = TypeVar("T")
MAX_PAGE_SIZE = 1_000
MAX_OFFSET = 10_000


@attrs.frozen
class SortKey:
    """One field of an order."""

    field: FieldSchema
    descending: bool = False

    def __str__(self) -> str:
        return f"{'-' if self.descending else ''}{self.field.name}"


@attrs.frozen
class Order:
    """A total order: the fields asked for, nulls last in either direction, and then the id.

    The id goes in the direction of the last field before it, so that an index serves both. Text
    and enum members go by code point, UUIDs by their bytes.
    """

    keys: tuple[SortKey, ...]

    @classmethod
    def of(cls, given: "OrderLike", schema: EntitySchema[Any]) -> "Order":
        """An order from `"name"`, `"-created_at"` or a list of such; None means by id.

        Raises:
            InvalidQueryError: for an unknown, unsortable or repeated field.
        """
        if isinstance(given, Order):
            for key in given.keys:
                if schema.fields.get(key.field.name) is not key.field:
                    raise InvalidQueryError(
                        f"an order by {key.field.name} doesn't fit {schema.name}"
                    )
            given = [str(key) for key in given.keys]
        given = () if given is None else given
        names: Sequence[object] = [given] if isinstance(given, str) else given
        if not isinstance(names, Sequence):
            raise InvalidQueryError("an order is a field's name, or a list of them")
        keys: list[SortKey] = []
        for name in names:
            if not isinstance(name, str):
                raise InvalidQueryError("an order is a field's name, or a list of them")
            field = schema.field(name.removeprefix("-"))
            if not field.sortable:
                raise InvalidQueryError(f"{schema.name} can't be ordered by {field.name}")
            if any(key.field is field for key in keys):
                raise InvalidQueryError(f"{field.name} stands twice in the order")
            keys.append(SortKey(field, name.startswith("-")))
        if not any(key.field.name == "id" for key in keys):
            keys.append(SortKey(schema.field("id"), bool(keys) and keys[-1].descending))
        ends = next(index for index, key in enumerate(keys) if key.field.name == "id")
        return cls(tuple(keys[: ends + 1]))

    def position(self, entity: Any) -> "Position":
        """Where `entity` stands in this order."""
        return tuple(getattr(entity, key.field.name) for key in self.keys)

    def sorted(self, entities: Sequence[T]) -> list[T]:
        """The entities in this order: its definition."""
        result = list(entities)
        for key in reversed(self.keys):
            name = key.field.name
            present = [entity for entity in result if getattr(entity, name) is not None]
            absent = [entity for entity in result if getattr(entity, name) is None]
            present.sort(key=lambda entity: getattr(entity, name), reverse=key.descending)
            result = present + absent
        return result

    def __str__(self) -> str:
        return ",".join(map(str, self.keys))


OrderLike: TypeAlias = Order | str | Sequence[str] | None
Position: TypeAlias = tuple[Any, ...]


@attrs.frozen
class Pagination:
    """A page by number, from 1. `with_total=False` spares the count, which reads every match.

    Raises:
        InvalidQueryError: for a page below 1, a size outside 1 to 1000, or a page with more than
            10 000 entries before it: reading that far costs all that is skipped, so use `scan`.
    """

    page: int = 1
    page_size: int = 50
    with_total: bool = attrs.field(default=True, kw_only=True)

    def __attrs_post_init__(self) -> None:
        for value in (self.page, self.page_size):
            if not isinstance(value, int) or isinstance(value, bool):
                raise InvalidQueryError("page and page_size are integers")
        if self.page < 1:
            raise InvalidQueryError("pages count from 1")
        check_limit(self.page_size)
        if self.offset > MAX_OFFSET:
            raise InvalidQueryError(
                f"a page by number has at most {MAX_OFFSET} entries before it; use scan"
            )

    @property
    def offset(self) -> int:
        """How many entries are before this page."""
        return (self.page - 1) * self.page_size


def check_limit(limit: int) -> int:
    """`limit`, if it is one.

    Raises:
        InvalidQueryError: unless it is an integer from 1 to 1000; nothing is cut without a word.
    """
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_PAGE_SIZE:
        raise InvalidQueryError(f"a limit is an integer from 1 to {MAX_PAGE_SIZE}")
    return limit


@attrs.frozen(kw_only=True)
class PaginatedResult(Generic[T]):
    """A page by number. `total` is None if it wasn't asked for."""

    items: tuple[T, ...]
    total: int | None
    page: int
    page_size: int
    has_next: bool

    @property
    def has_previous(self) -> bool:
        """Whether this isn't the first page."""
        return self.page > 1


@attrs.frozen(kw_only=True)
class CursorPage(Generic[T]):
    """A page by cursor. `next` is None when nothing followed at the time of reading."""

    items: tuple[T, ...]
    next: str | None


def encode_cursor(tenant: TenantId, criteria: Criteria, order: Order, position: Position) -> str:
    """An opaque text that stands for `position`, bound to tenant, criteria and order."""
    values = [_plain(value) for value in position]
    document = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
    return _encoded(_binding(tenant, criteria, order, document) + document)


def decode_cursor(cursor: object, tenant: TenantId, criteria: Criteria, order: Order) -> Position:
    """The position that a cursor stands for.

    Raises:
        InvalidQueryError: if it was made for another tenant, criteria or order, or altered.
    """
    refused = InvalidQueryError("this cursor doesn't belong to this query, or was altered")
    if not isinstance(cursor, str) or not cursor.isascii():
        raise refused
    try:
        signed = base64.b64decode(
            cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True
        )
    except (binascii.Error, ValueError):
        raise refused from None
    digest, document = signed[:_DIGEST], signed[_DIGEST:]
    # The last character may hold bits that decode to nothing: those, too, must be ours.
    if _encoded(signed) != cursor or _binding(tenant, criteria, order, document) != digest:
        raise refused
    try:  # a forged one passes until here
        values: list[Any] = json.loads(document)
        return tuple(
            None if value is None and key.field.nullable else key.field.operand(value)
            for key, value in zip(order.keys, values, strict=True)
        )
    except (ValueError, TypeError, RecursionError):
        raise refused from None


_DIGEST = 16


def _encoded(signed: bytes) -> str:
    return base64.urlsafe_b64encode(signed).decode().rstrip("=")


def _binding(tenant: TenantId, criteria: Criteria, order: Order, document: bytes) -> bytes:
    # No secret: a forged cursor could only name another place in what its tenant may read anyway.
    digest = hashlib.blake2b(document, digest_size=_DIGEST)
    for part in (tenant, criteria.schema.name, repr(criteria), str(order)):
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.digest()


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    return value
