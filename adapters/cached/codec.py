"""Flows as bytes for the shared cache."""

import struct
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from types import NoneType, UnionType
from typing import Any, ClassVar, Final, TypeAlias, Union, get_args, get_origin
from uuid import UUID

import attrs
import orjson

from adapters.mapping import deferred_definition, definition_json
from domain.documents import EMPTY, JsonObject, freeze
from domain.flows import Flow, FlowStatus
from domain.rules import restored
from ports.codecs import Codec

Flows: TypeAlias = tuple[Flow, ...]

_DEFINITION: Final = "definition"
_COUNT: Final = struct.Struct(">I")
_LENGTHS: Final = struct.Struct(">II")


def _document(value: Any) -> JsonObject:
    made = EMPTY if not value else freeze(value)
    if type(made) is not JsonObject:
        raise ValueError("is no object")
    return made


_DECODED: Final[Mapping[Any, Callable[[Any], Any]]] = {
    UUID: UUID,
    datetime: datetime.fromisoformat,
    FlowStatus: {member.value: member for member in FlowStatus}.__getitem__,
    tuple[str, ...]: tuple,
    JsonObject: _document,
}
"""By type, what JSON doesn't give back as it was."""


def _bare(kind: Any) -> Any:
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (part for part in get_args(kind) if part is not NoneType)
    return getattr(kind, "__supertype__", kind)


attrs.resolve_types(Flow)
_KINDS: Final = {
    field.name: _bare(field.type) for field in attrs.fields(Flow) if field.name != _DEFINITION
}
_NAMES: Final = tuple(_KINDS)
_DECODERS: Final = tuple(
    (index, _DECODED[kind]) for index, kind in enumerate(_KINDS.values()) if kind in _DECODED
)
_ID: Final = _NAMES.index("id")
_FORM: Final = sha256(repr(sorted(_KINDS.items(), key=str)).encode()).hexdigest()[:12]


class FlowCodec(Codec[Flows]):
    """Any number of flows: for each a JSON array of its fields, and its definition's own text,
    which is decoded when somebody looks into it.

    The fields are part of the codec's name, so that services of different builds, whose flows have
    other fields, read nothing wrong of each other.
    """

    name: ClassVar[str] = f"dialogbase.flows.{_FORM}"
    version: ClassVar[int] = 1

    def encode(self, value: Flows) -> bytes:
        parts = [_COUNT.pack(len(value))]
        for flow in value:
            fields = vars(flow)
            head = orjson.dumps([fields[name] for name in _NAMES])
            definition = definition_json(flow.definition).encode()
            parts += (_LENGTHS.pack(len(head), len(definition)), head, definition)
        return b"".join(parts)

    def decode(self, data: bytes) -> Flows:
        try:
            (count,) = _COUNT.unpack_from(data)
            place, flows = _COUNT.size, []
            for _ in range(count):
                of_head, of_definition = _LENGTHS.unpack_from(data, place)
                begins = place + _LENGTHS.size
                middle = begins + of_head
                place = middle + of_definition
                if place > len(data):
                    raise ValueError("cut short")
                flows.append(_flow(data[begins:middle], data[middle:place]))
        except (struct.error, AttributeError):
            raise ValueError("is no list of flows") from None
        return tuple(flows)


def _flow(head: bytes, definition: bytes) -> Flow:
    values = orjson.loads(head)
    for index, decode in _DECODERS:
        if values[index] is not None:
            values[index] = decode(values[index])
    fields = dict(zip(_NAMES, values, strict=True))
    fields[_DEFINITION] = deferred_definition(definition.decode(), "flow", values[_ID])
    return restored(Flow, fields)


FLOWS: Final = FlowCodec()
