"""JSON, encoded by orjson, for whoever keeps values as bytes."""

from collections.abc import Mapping
from typing import ClassVar, cast

import orjson

from domain.documents import JsonObject
from domain.errors import ValidationError
from ports.cache import Json
from ports.cache_entries import MAX_VALUE_BYTES
from ports.codecs import Codec


class JsonCodec(Codec[Json]):
    """Any JSON value within the rules of `JsonObject`; what is no object counts as if in one."""

    name: ClassVar[str] = "json"
    version: ClassVar[int] = 1

    def encode(self, value: Json) -> bytes:
        # Checked first: by itself orjson writes NaN as null, and dates and the like as text.
        try:
            return orjson.dumps(_checked(value))
        except ValidationError as error:
            raise ValidationError("cache", error.faults) from None

    def decode(self, data: bytes) -> Json:
        return cast(Json, orjson.loads(data))


def _checked(value: object) -> object:
    if isinstance(value, Mapping):
        return JsonObject.of(value, max_bytes=MAX_VALUE_BYTES)
    return JsonObject.of({"value": value}, max_bytes=MAX_VALUE_BYTES)["value"]


JSON = JsonCodec()
