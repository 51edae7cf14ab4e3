"""Rows to entities and back, by what was worked out once from the entity's fields."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

import attrs

from adapters.postgres.columns import Codec, codec
from domain.rules import restored
from ports.errors import CorruptRecordError

E = TypeVar("E")
_UNDECODABLE = (ValueError, KeyError, TypeError, AttributeError)


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
        self.entity_type = entity_type
        self.names = tuple(columns)
        self._encoders = {
            name: codec.encode for name, (codec, _) in columns.items() if codec.encode is not None
        }
        self._decoders = {
            name: codec.decode for name, (codec, _) in columns.items() if codec.decode is not None
        }
        self._fields = _decoding(self.names, self._decoders)
        # A class with slots has no dict that could be given to it whole.
        self._made: Callable[[dict[str, Any]], E] = (
            (lambda fields: restored(entity, fields))
            if entity.__dictoffset__
            else (lambda fields: entity(**fields))
        )

    def value(self, name: str, value: Any) -> Any:
        """A field's value as its column takes it."""
        encode = self._encoders.get(name)
        return value if encode is None or value is None else encode(value)

    def stored(self, name: str, value: Any) -> Any:
        """A column's value as the field has it; not for those that decode with the id."""
        decode = self._decoders.get(name)
        return value if decode is None or value is None else decode(value, None)

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
        try:
            fields = self._fields(record)
        except _UNDECODABLE:
            failed = self._corrupt(record)
        else:
            return self._made(fields)
        raise failed

    def _corrupt(self, record: Iterable[Any]) -> CorruptRecordError:
        row = dict(zip(self.names, record, strict=True))
        faulty: list[str] = []
        for name, value in row.items():
            try:
                self.stored(name, value)
            except _UNDECODABLE:
                faulty.append(name)
        id = None if "id" in faulty or "id" not in row else self.stored("id", row["id"])
        return CorruptRecordError(self.entity_type, id, tuple(faulty))


def _decoding(
    names: tuple[str, ...], decoders: Mapping[str, Callable[[Any, Any], Any]]
) -> Callable[[Iterable[Any]], dict[str, Any]]:
    """A function of a row that gives the fields, written out for these columns as attrs writes out
    an initialiser: half the time of a loop over them.

    Only names of fields and of their decoders stand in its text.
    """
    values = {name: f"v{index}" for index, name in enumerate(names)}
    id = values.get("id", "None")
    entries = [
        f"{name!r}: {value} if {value} is None else decode_{name}({value}, {id})"
        if name in decoders and name != "id"
        else f"{name!r}: {value}"
        for name, value in values.items()
    ]
    source = (
        f"def fields(row):\n"
        f"    {', '.join(values.values())}, = row\n"
        f"{f'    {id} = decode_id({id}, None)' if 'id' in decoders else ''}\n"
        f"    return {{{', '.join(entries)}}}\n"
    )
    scope: dict[str, Any] = {f"decode_{name}": decode for name, decode in decoders.items()}
    exec(compile(source, "<row mapper>", "exec"), scope)
    made: Callable[[Iterable[Any]], dict[str, Any]] = scope["fields"]
    return made
