"""Rows to entities and back, by what was worked out once from the entity's fields."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
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
        self._columns = columns
        self._encoders = {
            name: codec.encode for name, (codec, _) in columns.items() if codec.encode is not None
        }
        self._fields = _decoding(columns)
        # A class with slots has no dict that could be given to it whole.
        self._made: Callable[[dict[str, Any]], E] = (
            partial(restored, entity) if entity.__dictoffset__ else lambda fields: entity(**fields)
        )

    def value(self, name: str, value: Any) -> Any:
        """A field's value as its column takes it."""
        encode = self._encoders.get(name)
        return value if encode is None or value is None else encode(value)

    def stored(self, name: str, value: Any, id: Any = None) -> Any:
        """A column's value as the field has it."""
        codec, _ = self._columns[name]
        if codec.decode is None or value is None:
            return value
        return codec.decode(value, id) if codec.deferred else codec.decode(value)

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
        return self.all_restored((record,))[0]

    def all_restored(self, records: Sequence[Iterable[Any]]) -> list[E]:
        """The entities of such rows."""
        fields, made = self._fields, self._made
        try:
            return [made(fields(record)) for record in records]
        except _UNDECODABLE:
            failed = next(filter(None, map(self._corruption, records)))
        raise failed

    def _corruption(self, record: Iterable[Any]) -> CorruptRecordError | None:
        row = dict(zip(self.names, record, strict=True))
        faulty: list[str] = []
        for name, value in row.items():
            try:
                row[name] = self.stored(name, value)
            except _UNDECODABLE:
                faulty.append(name)
        if not faulty:
            return None
        id = None if "id" in faulty else row.get("id")
        return CorruptRecordError(self.entity_type, id, tuple(faulty))


def _decoding(
    columns: Mapping[str, tuple[Codec, bool]],
) -> Callable[[Iterable[Any]], dict[str, Any]]:
    """A function of a row that gives the fields, written out for these columns as attrs writes out
    an initialiser: half the time of a loop over them.

    Only names of fields and attributes of ours stand in its text.
    """
    variables = {name: f"v{index}" for index, name in enumerate(columns)}
    scope: dict[str, Any] = {}
    lines = [f"{', '.join(variables.values())}, = row"]
    entries: list[str] = []
    # The id first, since deferred values are told it.
    for name in sorted(columns, key=lambda name: name != "id"):
        codec, nullable = columns[name]
        variable = variables[name]
        if codec.decode is not None:
            scope[f"decode_{name}"] = codec.decode
            also = f", {variables.get('id')}" if codec.deferred else ""
            ready = [f"{variable} is None"] if nullable else []
            ready += [f"{variable}.{codec.ready}"] if codec.ready else []
            condition = f"if not ({' or '.join(ready)}): " if ready else ""
            lines.append(f"{condition}{variable} = decode_{name}({variable}{also})")
        entries.append(f"{name!r}: {variable}")
    lines.append(f"return {{{', '.join(entries)}}}")
    source = "def fields(row):\n" + "".join(f"    {line}\n" for line in lines)
    exec(compile(source, "<row mapper>", "exec"), scope)
    made: Callable[[Iterable[Any]], dict[str, Any]] = scope["fields"]
    return made
