"""JSON, encoded by orjson, for whoever keeps values as bytes."""

from typing import ClassVar, cast

import orjson

from domain.documents import JsonObject
from domain.errors import ValidationError
from ports.cache import Json
from ports.cache_entries import MAX_VALUE_BYTES
from ports.codecs import Codec


class JsonCodec(Codec[Json]):
    """Any JSON value within the rules of `JsonObject`."""

    name: ClassVar[str] = "json"
    version: ClassVar[int] = 1

    def encode(self, value: Json) -> bytes:
        # Checked first: by itself orjson writes NaN as null, and dates and the like as text.
        try:
            checked = JsonObject.of({"value": value}, max_bytes=MAX_VALUE_BYTES)
        except ValidationError as error:
            raise ValidationError("cache", error.faults) from None
        return orjson.dumps(checked["value"])

    def decode(self, data: bytes) -> Json:
        return cast(Json, orjson.loads(data))


JSON = JsonCodec()
