"""Rows to entities and back, by what was worked out once from the entity's fields."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

import attrs

from adapters.postgres.columns import Codec, codec
from domain.rules import restored
from ports.errors import CorruptRecordError

E = TypeVar("E")


def columns_of(entity: type, entity_type: str) -> Mapping[str, tuple[Codec, bool]]:
    """The codec of every field, and whether it is nullable."""
    attrs.resolve_types(entity)
    return {field.name: codec(field.type, entity_type) for field in attrs.fields(entity)}


class RowMapper(Generic[E]):
    """Maps an entity that has a column for each of its fields, named alike and in that order.

    Rows aren't judged by the domain's rules again: they were when they were written. What can't be
    decoded is a `CorruptRecordError` that names the field.
    """

    def __init__(self, entity: type[E], entity_type: str) -> None:
        columns = columns_of(entity, entity_type)
        self.entity = entity
        self.entity_type = entity_type
        self.names = tuple(columns)
        self._columns = columns
        self._encoders = {
            name: codec.encode for name, (codec, _) in columns.items() if codec.encode is not None
        }
        self._decoding = {name: codec.decode for name, (codec, _) in columns.items()}
        self._decoders = [
            (name, codec.decode)
            for name, (codec, _) in columns.items()
            if codec.decode is not None and name != "id"
        ]
        # A class with slots has no dict that could be given to it whole.
        self._made: Callable[[dict[str, Any]], E] = (
            partial(restored, entity) if entity.__dictoffset__ else lambda fields: entity(**fields)
        )
        self._decode_id = columns["id"][0].decode if "id" in columns else None

    def value(self, name: str, value: Any) -> Any:
        """A field's value as its column takes it."""
        encode = self._encoders.get(name)
        return value if encode is None or value is None else encode(value)

    def stored(self, name: str, value: Any) -> Any:
        """A column's value as the field has it; not for those that decode with the id."""
        decode = self._decoding.get(name)
        return value if decode is None or value is None else decode(value, None)

    def field(self, name: str, column: Any, id: Any) -> Any:
        """A column's value as its field takes it; `restored` does so for all of them."""
        decode = self._columns[name][0].decode
        return column if decode is None or column is None else decode(column, id)

    def row(self, entity: E) -> dict[str, Any]:
        """All columns' values."""
        kept = vars(entity)
        row = {name: kept[name] for name in self.names}
        for name, encode in self._encoders.items():
            value = row[name]
            if value is not None:
                row[name] = encode(value)
        return row

    def restored(self, record: Iterable[Any]) -> E:
        """The entity of a row whose columns stand in the order of `names`."""
        fields = dict(zip(self.names, record, strict=True))
        name, id = "id", None
        try:
            if self._decode_id is not None:
                id = fields["id"] = self._decode_id(fields["id"], None)
            for name, decode in self._decoders:  # the error names it
                value = fields[name]
                if value is not None:
                    fields[name] = decode(value, id)
        except (ValueError, KeyError, TypeError, AttributeError):
            failed = CorruptRecordError(self.entity_type, id, (name,))
        else:
            return self._made(fields)
        raise failed
