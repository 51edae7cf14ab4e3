"""Where settings are read from: variables and TOML files."""

import math
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from domain.errors import Fault
from domain.rules import Value

PREFIX: Final = "DIALOGBASE_"
FILE_VARIABLE: Final = "DIALOGBASE_SETTINGS"
NOT_SETTINGS: Final = (
    "DIALOGBASE_TEST_",
    "DIALOGBASE_SHARED_DATA",
    "DIALOGBASE_HYPOTHESIS_PROFILE",
)
"""Beginnings of variables that are the tests' own."""

Given: TypeAlias = dict[str, tuple[str, object]]
"""Settings by name: what each was called where it was set, and its value."""


def _boolean(text: str) -> bool:
    told = {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
    if told is None:
        raise ValueError
    return told


FROM_TEXT: Final[Mapping[str, Callable[[str], object]]] = {
    "postgres_prepared_statements": _boolean,
    "pool_size": int,
    "deadline_seconds": float,
    "flow_cache": _boolean,
    "flow_cache_staleness_seconds": float,
    "analytics_retention_days": int,
    "conversation_retention_days": int,
    "conversation_idle_hours": int,
    "integration_call_retention_days": int,
    "audit_retention_days": int,
    "erasure_staleness_seconds": float,
    "tombstone_days": int,
    "synchronise": _boolean,
    "synchronise_every_seconds": float,
    "log_failures": _boolean,
    "slow_operation_seconds": float,
    "telemetry": _boolean,
}


def variable(name: str) -> str:
    """The variable of a setting."""
    return PREFIX + name.replace(".", "_").upper()


def from_variables(
    variables: Mapping[str, str], names: Iterable[str], faults: list[Fault]
) -> Given:
    """What variables say; an unknown one of ours is a fault, in the list."""
    known = {variable(name): name for name in names}
    given: Given = {}
    for source, text in sorted(variables.items()):
        if not source.startswith(PREFIX) or source == FILE_VARIABLE:
            continue
        if source.startswith(NOT_SETTINGS):
            continue
        name = known.get(source)
        if name is None:
            faults.append(Fault(source, f"is not a setting; there are {', '.join(known)}"))
            continue
        value: object = text
        if form := FROM_TEXT.get(name):
            try:
                value = form(text)
            except ValueError:
                value = math.nan  # which the field's rule refuses in its own words
        given[name] = (source, value)
    return given


def from_file(path: Path, faults: list[Fault]) -> Given:
    """What a TOML file says; one that can't be read is a fault, in the list."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        faults.append(Fault(str(path), f"can't be read: {error.strerror or error}"))
        return {}
    except ValueError as error:  # not TOML, or not UTF-8
        where = f": {error}" if isinstance(error, tomllib.TOMLDecodeError) else ""
        faults.append(Fault(str(path), f"is not TOML{where}"))
        return {}
    return {name: (f"{path}: {name}", value) for name, value in flat(document)}


def flat(document: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Settings by name, those of stores as `stores.runtime` is."""
    for name, value in document.items():
        if name == "stores" and isinstance(value, Mapping):
            yield from ((f"stores.{part}", store) for part, store in value.items())
        elif name == "stores" and isinstance(value, Value):
            yield from ((f"stores.{part}", store) for part, store in vars(value).items())
        else:
            yield name, value


def nested(flat: Mapping[str, object]) -> dict[str, Any]:
    """The arguments of `Settings` for settings by name."""
    nested: dict[str, Any] = {}
    stores: dict[str, object] = {}
    for name, value in flat.items():
        head, dot, part = name.partition(".")
        if dot:
            stores[part] = value
        else:
            nested[head] = value
    if stores:
        nested["stores"] = stores
    return nested
