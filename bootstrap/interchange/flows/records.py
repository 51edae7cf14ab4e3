"""A flow as a record, and back: nothing of either is lost."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

import attrs
import orjson

from adapters.mapping import definition_document, definition_from_document
from bootstrap.interchange.lines import RefusedError, summary
from domain.definitions import EXTERNAL_STATE, FlowDefinition
from domain.documents import EMPTY, JsonObject
from domain.errors import Fault, ValidationError
from domain.flows import FIRST_VERSION, Flow
from domain.identity import TenantId
from domain.rules import text

FORMAT: Final = "dialogbase"
NAMESPACE: Final = UUID("8a3c1f5e-5a0e-5c1b-9d53-0d1a7c1e6b42")
"""Of flow ids that are made of record ids. Changing it would import everything anew."""

RECORD: Final = "dialogbase.record"
"""Where a definition of our own form keeps the record's other fields: a key of its metadata."""

_FLOW_FIELDS: Final = frozenset(
    {
        "name",
        "version",
        "description",
        "tags",
        "category",
        "trigger_conditions",
        "fallback_flow_id",
        "definition",
    }
)
_OWN_PROVENANCE: Final = {"source": FORMAT, "license": None, "source_file": None}
_NUMBERED: Final = re.compile(r"[1-9][0-9]*\.0")
_RECORD_ID = text(1_000, min_length=1)


def flow_id_of(record_id: str) -> UUID:
    """A flow's id by the id of its record: a UUID's usual text form is that UUID, and any other
    text gives the UUIDv5 (RFC 9562, section 5.5) of it in `NAMESPACE`.
    """
    try:
        as_it_stands = UUID(record_id)
    except ValueError:
        return uuid5(NAMESPACE, record_id)
    return as_it_stands if str(as_it_stands) == record_id else uuid5(NAMESPACE, record_id)


def flow_of(
    record: Mapping[str, Any], *, tenant: TenantId, at: datetime, version: str = FIRST_VERSION
) -> Flow:
    """The flow that a record describes, as created in `tenant` at `at`.

    `version` is for records that name none.

    Raises:
        RefusedError: saying all that is wrong with the record.
    """
    missing = [name for name in ("id", "name", "definition") if name not in record]
    if missing:
        raise RefusedError(f"has no {' and no '.join(missing)}")
    faults: list[Fault] = []
    try:
        record_id = _RECORD_ID(record["id"])
    except ValueError as error:
        raise RefusedError(f"id: {error}") from None
    others, definition = EMPTY, FlowDefinition()
    try:
        others = JsonObject.of({k: v for k, v in record.items() if k not in _FLOW_FIELDS})
    except ValidationError as error:
        faults.extend(error.faults)
    try:
        definition = _definition_of(record["definition"], others, record_id)
    except ValidationError as error:
        faults.extend(fault.under("definition") for fault in error.faults)
    flow_id = flow_id_of(record_id)
    try:
        draft = Flow.draft(
            id=flow_id,
            name=record["name"],
            version=_or(record.get("version"), version),
            description=record.get("description"),
            tags=_tags(record.get("tags")),
            category=record.get("category"),
            trigger_conditions=_or(record.get("trigger_conditions"), {}),
            fallback_flow_id=_uuid(record.get("fallback_flow_id")),
            definition=definition,
        )
    except ValidationError as error:
        raise RefusedError(summary([*faults, *error.faults])) from None
    if faults:
        raise RefusedError(summary(faults))
    return draft.assigned(tenant=tenant, new_id=flow_id, at=at)


def record_of(flow: Flow) -> dict[str, Any]:
    """The record of a flow, to be printed as JSON; `flow_of` makes an equal flow of it.

    For a flow that was imported it has the fields that the record had.
    """
    others, document = _parts(flow)
    own = others.get("format") == FORMAT
    numbered = _NUMBERED.fullmatch(flow.version) and not own
    rest = {name: value for name, value in others.items() if name not in _LEADING}
    return {
        **{name: others[name] for name in _LEADING if name in others},
        "name": flow.name,
        "description": flow.description,
        "tags": list(flow.tags),
        # The import numbers these anew, in the same order.
        **({} if numbered else {"version": flow.version}),
        **({} if flow.category is None else {"category": flow.category}),
        **({"trigger_conditions": flow.trigger_conditions} if flow.trigger_conditions else {}),
        **({"fallback_flow_id": str(flow.fallback_flow_id)} if flow.fallback_flow_id else {}),
        **rest,
        "definition": document,
    }


_LEADING: Final = ("id", "source", "license", "source_file", "format")


def same_content(one: Flow, other: Flow, *, but_version: bool) -> bool:
    """Whether both have the same record: to the letter, so that 1, 1.0 and true differ."""
    if but_version:
        other = attrs.evolve(other, version=one.version)
    return _canonical(one) == _canonical(other)


def _canonical(flow: Flow) -> bytes:
    return orjson.dumps(record_of(flow), option=orjson.OPT_SORT_KEYS)


def _definition_of(document: object, others: JsonObject, record_id: str) -> FlowDefinition:
    if others.get("format") != FORMAT:
        if not isinstance(document, Mapping):
            raise ValidationError("FlowDefinition", [Fault("", "must be an object")])
        return FlowDefinition.external(document, others)
    definition = definition_from_document(document)
    if RECORD in definition.metadata:
        raise ValidationError("FlowDefinition", [Fault(f"metadata.{RECORD}", "is reserved")])
    kept = {
        name: value
        for name, value in others.items()
        if name != "format" and (name not in _OWN_PROVENANCE or value != _OWN_PROVENANCE[name])
    }
    if str(flow_id_of(record_id)) == record_id:
        kept.pop("id", None)
    if not kept:
        return definition
    return attrs.evolve(definition, metadata=JsonObject.of({**definition.metadata, RECORD: kept}))


def _parts(flow: Flow) -> tuple[dict[str, Any], Any]:
    """A record's other fields, and what stands under `definition`."""
    definition = flow.definition
    metadata = definition.metadata
    if _made(flow, metadata) and metadata.get("format") != FORMAT and _is_external(definition):
        return dict(metadata), definition.external_document
    others: dict[str, Any] = {"id": str(flow.id), **_OWN_PROVENANCE, "format": FORMAT}
    document = definition_document(definition)
    kept = metadata.get(RECORD)
    if isinstance(kept, JsonObject):
        rest = {name: value for name, value in metadata.items() if name != RECORD}
        document = definition_document(attrs.evolve(definition, metadata=JsonObject.of(rest)))
        others |= kept
        # A copy of an imported flow is a flow of its own.
        others["id"] = kept["id"] if _made(flow, kept) else str(flow.id)
    return others, document


def _is_external(definition: FlowDefinition) -> bool:
    """Whether it is what `external` makes, and nobody added anything to it."""
    state = definition.states.get(EXTERNAL_STATE)
    if state is None or definition.external_document is None:
        return False
    bare = attrs.evolve(definition, states={state.name: attrs.evolve(state, config=EMPTY)})
    return bare == FlowDefinition.external(EMPTY, definition.metadata)


def _made(flow: Flow, fields: Mapping[str, object]) -> bool:
    """Whether the flow was made of a record with these fields."""
    record_id = fields.get("id")
    return isinstance(record_id, str) and record_id != "" and flow_id_of(record_id) == flow.id


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _tags(candidate: object) -> Any:
    # `Flow.draft` makes a tuple of any sequence; text is one, and an object's keys are too.
    if candidate is None:
        return ()
    if not isinstance(candidate, list):
        raise ValidationError("Flow", [Fault("tags", "must be a list")])
    return candidate


def _uuid(candidate: object) -> UUID | None:
    if candidate is None:
        return None
    try:
        return UUID(str(candidate))
    except ValueError:
        raise ValidationError("Flow", [Fault("fallback_flow_id", "must be a UUID")]) from None
