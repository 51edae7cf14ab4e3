"""The JSON form of an experiment's variants, as stores keep it: all fields of each, in order."""

from typing import Any

import orjson

from domain.documents import freeze
from domain.experiments import Variant
from domain.rules import restored


def variants_json(variants: tuple[Variant, ...]) -> str:
    """Variants as compact JSON text."""
    return orjson.dumps([vars(variant) for variant in variants]).decode()


def variants_from_json(text: str) -> tuple[Variant, ...]:
    """What `variants_json` encoded; it was judged by the domain's rules before.

    Raises:
        ValueError, KeyError, TypeError: if the text is nothing of that kind.
    """
    return tuple([_variant(document) for document in orjson.loads(text)])


def _variant(document: dict[str, Any]) -> Variant:
    modifications = freeze(document["modifications"])
    fields = {
        "name": document["name"],
        "weight": document["weight"],
        "flow_version": document["flow_version"],
        "modifications": modifications,
        "is_control": document["is_control"],
    }
    return restored(Variant, fields)
