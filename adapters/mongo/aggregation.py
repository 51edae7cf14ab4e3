"""The way down: a tenant's own aggregation, of what no port covers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from domain.identity import TenantId
from ports.errors import InvalidQueryError

STAGES: Final = frozenset(
    {
        "$addFields",
        "$bucket",
        "$bucketAuto",
        "$count",
        "$densify",
        "$facet",
        "$fill",
        "$group",
        "$limit",
        "$match",
        "$project",
        "$redact",
        "$replaceRoot",
        "$replaceWith",
        "$sample",
        "$set",
        "$setWindowFields",
        "$skip",
        "$sort",
        "$sortByCount",
        "$unset",
        "$unwind",
    }
)
"""What reads only the documents that come to it. No stage that writes, or reaches another
collection or the server, is among them, and none that comes with a later version of MongoDB.
"""

_SCRIPTS: Final = frozenset({"$where", "$function", "$accumulator"})


def confined(tenant: TenantId, pipeline: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The pipeline, on the tenant's documents alone.

    Raises:
        InvalidQueryError: for a stage that isn't one of `STAGES`, or runs a script.
    """
    _check(pipeline)
    return [{"$match": {"tenant_id": tenant}}, *map(dict, pipeline)]


def _check(pipeline: object) -> None:
    if not isinstance(pipeline, list | tuple):
        raise InvalidQueryError("a pipeline is a list of stages")
    for stage in pipeline:
        if not isinstance(stage, Mapping) or len(stage) != 1:
            raise InvalidQueryError("a stage is an object with one key")
        ((name, argument),) = stage.items()
        if name not in STAGES:
            raise InvalidQueryError(f"a tenant's pipeline has no stage {str(name)[:50]!r}")
        if name == "$facet":
            if not isinstance(argument, Mapping):
                raise InvalidQueryError("$facet takes an object of pipelines")
            for part in argument.values():
                _check(part)
        _refuse_scripts(argument)


def _refuse_scripts(value: Any) -> None:
    """Go through all of an argument, however deep it is."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            if scripts := _SCRIPTS & part.keys():
                raise InvalidQueryError(f"a tenant's pipeline has no {min(scripts)!r}")
            waiting.extend(part.values())
        elif isinstance(part, list | tuple):
            waiting.extend(part)
