"""What the server itself refuses: a `$jsonSchema` made from the types of an entity's fields.

It is for who writes past this library: types, members of enumerations, what must be there, and that
a document's key is its tenant's. Rules of the domain (lengths, what excludes what) aren't in it.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, get_args, get_origin
from uuid import UUID

import attrs

from adapters.mongo.documents import KEY, WORDS, DocumentMapper
from adapters.mongo.values import always, bare, is_value, parts
from domain.analytics import Dimensions, Measures
from domain.documents import JsonObject

_TYPES: Mapping[Any, Any] = {
    str: "string",
    bool: "bool",
    int: ["int", "long"],
    float: "double",
    datetime: "date",
    UUID: "binData",
    JsonObject: "object",
}


_BY_NAME: Mapping[Any, Any] = {
    Dimensions: {"bsonType": "string"},
    Measures: {"bsonType": ["int", "long", "double"]},
}


def validator(mapper: DocumentMapper[Any], marks: Mapping[str, Any]) -> dict[str, Any]:
    """The validator of a mapper's documents; `marks` are the schemas of fields that may be there
    beside those of the entity."""
    fields: dict[str, Any] = {
        KEY if field.name == "id" else field.name: _schema(field.type)
        for field in attrs.fields(mapper.schema.entity)
    }
    if "revision" in fields:
        fields["revision"] = {**fields["revision"], "minimum": 1}
    for companion in mapper.companions:
        fields[companion.name] = (
            {"bsonType": "array", "items": {"bsonType": "string"}}
            if companion.name == WORDS
            else _schema(str | None)
        )
    document = {
        "bsonType": "object",
        "required": [name for name in fields if name not in mapper.added],
        "properties": {**fields, **marks},
    }
    prefix = {"$concat": ["$tenant_id", "!"]}
    return {
        "$jsonSchema": document,
        "$expr": {"$eq": [{"$indexOfBytes": [f"${KEY}", prefix]}, 0]},
    }


def _schema(kind: Any) -> dict[str, Any]:
    inner, nullable = bare(kind)
    if isinstance(inner, type) and issubclass(inner, Enum):
        members: list[Any] = [member.value for member in inner]
        return {"enum": [*members, None] if nullable else members}
    schema = _present(inner)
    if nullable:
        types = schema["bsonType"]
        schema["bsonType"] = [*types, "null"] if isinstance(types, list) else [types, "null"]
    return schema


def _present(kind: Any) -> dict[str, Any]:
    if get_origin(kind) is tuple:
        return {"bsonType": "array", "items": _schema(get_args(kind)[0])}
    if is_value(kind):
        fields = {field.name: field for field in attrs.fields(kind)}
        found = parts(kind)
        schema: dict[str, Any] = {
            "bsonType": "object",
            "properties": {name: _schema(field.type) for name, field in fields.items()},
            "additionalProperties": False,
        }
        if required := [part.name for part in found if always(part)]:
            schema["required"] = required
        return schema
    if kind in _BY_NAME:
        return {"bsonType": "object", "additionalProperties": _BY_NAME[kind]}
    return {"bsonType": _TYPES[kind]}
