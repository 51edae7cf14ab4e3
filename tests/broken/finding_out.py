"""How a broken adapter is found out: the contract that is there for it fails on it, and passes on
the sound one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
import pytest
from hypothesis import Phase, settings

from tests.broken.backends import backend_of

Contract = Callable[..., None]


@attrs.frozen
class Case:
    """What is broken, the contract that must find it out, and what that is given."""

    broken: type[Any]
    contract: Contract
    arguments: Mapping[str, Any] = attrs.field(factory=dict)

    def __str__(self) -> str:
        return "-".join(map(_named, (self.broken, self.contract, *self.arguments.values())))

    def run(self) -> None:
        """The contract, on what is broken."""
        with backend_of(self.broken) as backend:
            self.contract(backend=backend, **self.arguments)


def _named(value: object) -> str:
    named = getattr(value, "name", None) or getattr(value, "__name__", value)
    return str(named).removeprefix("test_")


def found_out(case: Case, *errors: type[Exception]) -> None:
    """Its contract fails: by an assertion, or by one of these errors, which it shouldn't come to.

    Of several failures at once, one has to be such.
    """
    failures: tuple[type[BaseException], ...] = (AssertionError, pytest.fail.Exception, *errors)
    with _unshrunk(), pytest.raises((*failures, ExceptionGroup)) as told:
        case.run()
    assert isinstance(told.value, failures) or told.group_contains(failures)
    # To wait until pytest-timeout ends it is not to find out.
    assert "pytest-timeout" not in str(told.value)


def on_the_sound(adapter: type[Any], cases: Sequence[Case]) -> list[Case]:
    """What finds others out, each once, on an adapter that it must not fail on."""
    found: list[Case] = []
    for case in cases:
        sound = attrs.evolve(case, broken=adapter)
        if sound not in found:
            found.append(sound)
    return found


@contextmanager
def _unshrunk() -> Iterator[None]:
    """Any failure will do, the same at each run: to make it small takes many times as long."""
    in_force = settings.get_current_profile_name()
    settings.register_profile(
        "unshrunk",
        settings(),
        phases=[Phase.explicit, Phase.generate],
        derandomize=True,
        database=None,
    )
    settings.load_profile("unshrunk")
    try:
        yield
    finally:
        settings.load_profile(in_force)
