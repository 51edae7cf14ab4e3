"""Deferred values: nobody can tell, but for the work."""

import copy
import pickle
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError
from hypothesis import given

from domain.definitions import FlowDefinition
from domain.flows import Flow
from domain.identity import NIL, TenantId
from tests.domain.values import AT, DEFINITIONS, valid_definition


class Counted:
    """Loads a definition's fields, and counts."""

    def __init__(self, made: FlowDefinition) -> None:
        self.fields = dict(vars(made))
        self.loads = 0

    def __call__(self) -> Mapping[str, Any]:
        self.loads += 1
        return self.fields


def deferred(made: FlowDefinition) -> FlowDefinition:
    """The same definition, not yet loaded."""
    return FlowDefinition.deferred(Counted(made))


@given(DEFINITIONS)
def test_a_deferred_value_is_equal_in_every_way(made: FlowDefinition) -> None:
    """Equality in both directions, hash, representation, and what is derived."""
    assert deferred(made) == made
    assert made == deferred(made)
    assert deferred(made) == deferred(made)
    assert hash(deferred(made)) == hash(made)
    assert repr(deferred(made)) == repr(made)
    assert deferred(made).faults == made.faults
    assert deferred(made).warnings == made.warnings
    assert isinstance(deferred(made), FlowDefinition)


@pytest.mark.parametrize(
    "copied",
    [
        lambda value: pickle.loads(pickle.dumps(value)),
        copy.copy,
        copy.deepcopy,
        evolve,
        lambda value: evolve(value, initial_state=value.initial_state),
    ],
    ids=["pickle", "copy", "deepcopy", "evolve", "evolve-a-field"],
)
def test_a_copy_of_a_deferred_value_is_a_whole_one(
    copied: Callable[[FlowDefinition], FlowDefinition],
) -> None:
    """What loads it doesn't travel."""
    again = copied(deferred(valid_definition()))
    assert again == valid_definition()
    assert "_load" not in vars(again)


def test_a_value_that_is_not_looked_into_is_not_loaded() -> None:
    """A flow that holds one can be passed on, changed and compared by identity."""
    load = Counted(valid_definition())
    flow = Flow.draft(name="a", definition=FlowDefinition.deferred(load)).assigned(
        tenant=TenantId("t"), new_id=NIL, at=AT
    )
    renamed = flow.edited(name="b")
    assert (renamed.name, load.loads) == ("b", 0)
    assert renamed.definition.initial_state == "start"
    assert load.loads == 1


def test_a_value_is_loaded_once() -> None:
    """Whatever is read afterwards."""
    load = Counted(valid_definition())
    made = FlowDefinition.deferred(load)
    assert (made.initial_state, len(made.states), made.faults) == ("start", 2, ())
    assert load.loads == 1


def test_an_unknown_attribute_is_missing_as_ever() -> None:
    """Before and after loading."""
    made = deferred(valid_definition())
    for _ in range(2):
        with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
            made.nonsense  # type: ignore[attr-defined]  # noqa: B018  # that is the point


def test_looking_for_a_protocol_loads_nothing() -> None:
    """Libraries ask values for dunder names all the time."""
    load = Counted(valid_definition())
    made = FlowDefinition.deferred(load)
    assert not hasattr(made, "__array__")
    assert load.loads == 0


def test_a_deferred_value_is_frozen() -> None:
    """As any other."""
    made = deferred(valid_definition())
    with pytest.raises(FrozenInstanceError):
        made.initial_state = None  # type: ignore[misc]  # that is the point
    with pytest.raises(FrozenInstanceError):
        del made.states


def test_an_error_in_loading_reaches_every_reader_until_it_is_gone() -> None:
    """The next read tries again."""
    answers: list[Any] = [LookupError("gone"), LookupError("gone"), dict(vars(valid_definition()))]

    def load() -> Mapping[str, Any]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]  # a mapping by now

    made = FlowDefinition.deferred(load)
    for read in (lambda: made.states, lambda: pickle.dumps(made)):
        with pytest.raises(LookupError, match="gone"):
            read()
    assert made == valid_definition()


@pytest.mark.parametrize("use", [repr, hash, lambda value: value == valid_definition()])
def test_a_value_that_cannot_be_loaded_does_not_pretend(
    use: Callable[[FlowDefinition], object],
) -> None:
    """No operation takes an unloaded field for a missing one."""

    def load() -> Mapping[str, Any]:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        use(FlowDefinition.deferred(load))


def test_threads_that_read_at_once_all_get_the_value() -> None:
    """It may be loaded more than once, but is never half there."""
    threads = 4
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(200):
            barrier = Barrier(threads)
            made = deferred(valid_definition())

            def read(made: FlowDefinition = made, barrier: Barrier = barrier) -> object:
                barrier.wait()
                return (made.initial_state, len(made.states), made.metadata)

            results = [future.result() for future in [pool.submit(read) for _ in range(threads)]]
            assert results == [("start", 2, {})] * threads


def test_a_reader_that_was_overtaken_gets_the_value() -> None:
    """Another thread may have filled it in between a failed lookup and the question for it."""
    made = deferred(valid_definition())
    assert len(made.states) == 2
    assert made.__getattr__("initial_state") == "start"  # type: ignore[attr-defined]  # as the interpreter asks
