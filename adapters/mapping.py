"""The JSON form of a flow's definition, for everything that stores, sends or prints one.

Fields that have their default are left out. Two ways back: `definition_from_document` for what
comes from outside, which runs the domain's rules and names every fault; and
`deferred_definition` for what a store wrote itself, which decodes at the first access and checks
nothing but the form. Neither loses anything: 3 stays an integer and 3.0 a float.
"""

from collections import abc
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache, partial
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Union, cast, get_args, get_origin

import attrs
import orjson
from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn

from domain.definitions import ActionType, FlowDefinition, StateType, TransitionCondition
from domain.documents import JsonObject, freeze
from domain.errors import Fault, ValidationError
from domain.frozen import FrozenDict
from domain.rules import Value, checked, restored
from ports.errors import CorruptRecordError

_ENCODED = "_encoded"
Hook = Callable[[Any, Any], Any]


def definition_document(definition: FlowDefinition) -> dict[str, Any]:
    """The definition as a document of plain JSON values; what it shares with it can't change."""
    return cast("dict[str, Any]", _unstructure(definition))


def definition_json(definition: FlowDefinition) -> str:
    """The definition as compact JSON text.

    One that came from a store undecoded, or decoded since, gives the text that it came from.
    """
    encoded: str | None = vars(definition).get(_ENCODED)
    return orjson.dumps(_unstructure(definition)).decode() if encoded is None else encoded


def definition_from_document(document: object) -> FlowDefinition:
    """The definition that a document from outside describes.

    Raises:
        ValidationError: naming the path of every fault; an unknown field is one.
    """
    return cast(FlowDefinition, _admitted(FlowDefinition, document))


def deferred_definition(
    text: str, entity_type: str = "flow", entity_id: object = None
) -> FlowDefinition:
    """The definition that `definition_json` encoded, decoded when it is first looked into.

    That first look raises `CorruptRecordError`, naming the entity, if the text isn't one.
    """
    made = FlowDefinition.deferred(partial(_decoded, text, entity_type, entity_id))
    vars(made)[_ENCODED] = text
    return made


def _decoded(text: str, entity_type: str, entity_id: object) -> Mapping[str, Any]:
    try:
        return cast(FlowDefinition, _structure(orjson.loads(text), FlowDefinition)).__dict__
    except (ValueError, KeyError, TypeError, AttributeError):
        # Its own message would quote what is stored.
        raise CorruptRecordError(entity_type, entity_id, ("definition",)) from None


def _identity(value: Any, _: Any) -> Any:
    return value


def _is_value(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Value)


def _is_optional(kind: Any) -> bool:
    return get_origin(kind) in (Union, UnionType) and NoneType in get_args(kind)


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _is_mapping(kind: Any) -> bool:
    return get_origin(kind) is abc.Mapping


@cache
def _fields(kind: type) -> "Mapping[str, attrs.Attribute[Any]]":
    attrs.resolve_types(kind)
    return {field.name: field for field in attrs.fields(kind)}


def _converter() -> Converter:
    converter = Converter(detailed_validation=False, omit_if_default=True)

    def value_hook(kind: type) -> Hook:
        """Fills an instance from the fields that are there; no rule runs.

        cattrs' own would call the constructor, which checks everything anew.
        """
        fields = _fields(kind).values()
        hooks: dict[str, Hook | None] = {}
        defaults: dict[str, Any] = {}
        for field in fields:
            hook = converter.get_structure_hook(field.type)
            hooks[field.name] = None if hook is _identity else hook
            if isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]  # a class, to run time
                defaults[field.name] = field.default.factory()  # type: ignore[union-attr]  # see above
            elif field.default is not attrs.NOTHING:
                defaults[field.name] = field.default
        count = len(hooks)

        def structure(document: dict[str, Any], _: Any) -> Any:
            filled = defaults.copy()
            for name, value in document.items():
                hook = hooks[name]
                filled[name] = value if hook is None else hook(value, None)
            if len(filled) != count:
                raise KeyError(kind.__name__)
            return restored(kind, filled)

        return structure

    def enum_hook(kind: type[Enum]) -> Hook:
        members = {member.value: member for member in kind}
        return lambda value, _: members[value]

    def optional_hook(kind: Any) -> Hook:
        (inner,) = (part for part in get_args(kind) if part is not NoneType)
        hook = converter.get_structure_hook(inner)
        if hook is _identity:
            return _identity
        return lambda value, _: None if value is None else hook(value, None)

    def tuple_hook(kind: Any) -> Hook:
        hook = converter.get_structure_hook(get_args(kind)[0])
        if hook is _identity:
            return lambda items, _: tuple(items)
        return lambda items, _: tuple([hook(item, None) for item in items])

    def list_hook(kind: Any) -> Callable[[Any], list[Any]]:
        # cattrs' own runs a generator and finds the items' hook anew for each.
        kind_of_items = get_args(kind)[0]
        if not _is_value(kind_of_items):
            return list
        hook = converter.get_unstructure_hook(kind_of_items)
        return lambda items: [hook(item) for item in items]

    def mapping_hook(kind: Any) -> Hook:
        hook = converter.get_structure_hook(get_args(kind)[1])
        return lambda items, _: FrozenDict.holding(
            {name: hook(item, None) for name, item in items.items()}
        )

    for primitive in (str, int, float, bool):
        converter.register_structure_hook(primitive, _identity)
        converter.register_unstructure_hook(primitive, lambda value: value)
    # By class: a StrEnum is a str, too, and a hook found by a predicate comes after those.
    for kind in (StateType, TransitionCondition, ActionType):
        converter.register_structure_hook(kind, enum_hook(kind))
        converter.register_unstructure_hook(kind, attrgetter("_value_"))
    converter.register_structure_hook_factory(_is_optional, optional_hook)
    converter.register_structure_hook_factory(_is_tuple, tuple_hook)
    converter.register_structure_hook_factory(_is_mapping, mapping_hook)
    converter.register_structure_hook_factory(_is_value, value_hook)
    converter.register_structure_hook_func(
        lambda kind: kind is JsonObject, lambda value, _: freeze(value)
    )
    converter.register_unstructure_hook_func(lambda kind: kind is JsonObject, lambda value: value)
    converter.register_unstructure_hook_factory(_is_tuple, list_hook)
    converter.register_unstructure_hook_factory(
        _is_value,
        lambda kind: make_dict_unstructure_fn(kind, converter, _cattrs_omit_if_default=True),
    )
    return converter


_CONVERTER = _converter()
_structure = _CONVERTER.get_structure_hook(FlowDefinition)
_unstructure = _CONVERTER.get_unstructure_hook(FlowDefinition)


def _admitted(kind: type, document: object) -> Any:
    """A `Value` from a document that nobody checked yet.

    Raises:
        ValidationError: with the faults of all fields, however deep, at once.
    """
    subject = kind.__name__
    if not isinstance(document, Mapping):
        raise ValidationError(subject, [Fault("", "must be an object")])
    fields = _fields(kind)
    faults: list[Fault] = []
    kept: dict[str, Any] = {}
    for name, candidate in document.items():
        if name not in fields:
            faults.append(Fault(str(name)[:100], "is not a known field"))
            continue
        try:
            kept[name] = checked(kind, name, _parts_admitted(fields[name].type, candidate))
        except ValidationError as error:
            if error.subject == kind.__name__:
                faults.extend(error.faults)
            else:
                faults.extend(fault.under(name) for fault in error.faults)
    faults.extend(
        Fault(name, "is missing")
        for name, field in fields.items()
        if field.default is attrs.NOTHING and name not in document
    )
    if faults:
        raise ValidationError(subject, faults)
    return kind(**kept)


def _parts_admitted(kind: Any, candidate: object) -> object:
    """The candidate of a field with the values in it built; the field's own rule judges the rest.

    Raises:
        ValidationError: for faults within parts, under the subject `parts`.
    """
    inner: Any = None
    if _is_tuple(kind):
        inner = get_args(kind)[0]
    elif _is_mapping(kind):
        inner = get_args(kind)[1]
    if not _is_value(inner):
        return candidate
    if isinstance(candidate, Mapping) and _is_mapping(kind):
        steps = [(str(name)[:100], name, part) for name, part in candidate.items()]
    elif isinstance(candidate, list | tuple) and _is_tuple(kind):
        steps = [(f"[{index}]", index, part) for index, part in enumerate(candidate)]
    else:
        return candidate
    faults: list[Fault] = []
    built: list[tuple[object, Any]] = []
    for step, name, part in steps:
        try:
            built.append((name, _admitted(inner, part)))
        except ValidationError as error:
            faults.extend(fault.under(step) for fault in error.faults)
    if faults:
        raise ValidationError("parts", faults)
    if _is_tuple(kind):
        return [part for _, part in built]
    return dict(built)
