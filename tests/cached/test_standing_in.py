"""Standing in for something: what isn't its own is the origin's, also what the port gains later."""

from abc import ABC, abstractmethod

from adapters.cached import CachedAuthoringStore
from adapters.cached.standing_in import standing_in
from ports.unit_of_work import AuthoringRepositories
from tests.cached.parts import TENANT, World


class Part(ABC):
    """A part of a port."""

    @abstractmethod
    def _inner(self) -> str: ...

    def outer(self) -> str:
        """Composed of the other."""
        return f"outer {self._inner()}"


class Port(Part):
    """A port that has grown."""

    @property
    @abstractmethod
    def size(self) -> int: ...


class Origin(Port):
    """What there is."""

    def _inner(self) -> str:
        return "inner"

    @property
    def size(self) -> int:
        return 7


def test_everything_is_passed_on_but_what_is_its_own() -> None:
    """Methods and properties, abstract or not, inherited or not."""
    made: Port = standing_in(Port, Origin(), size=8)  # type: ignore[type-abstract]  # a port
    assert isinstance(made, Port)
    assert (made.size, made.outer(), made._inner()) == (8, "outer inner", "inner")
    other: Port = standing_in(Port, Origin())  # type: ignore[type-abstract]  # a port
    assert other.size == 7


def test_a_cached_store_offers_all_that_its_origin_does() -> None:
    """Every group of repositories, its name and what it can do."""
    process = World().process()
    store = CachedAuthoringStore(process.origin, process.cache)
    assert (store.name, store.capabilities) == (process.origin.name, process.origin.capabilities)
    offered, origin = store.repositories(TENANT), process.origin.repositories(TENANT)
    for name in AuthoringRepositories.__abstractmethods__ - {"flows"}:
        assert type(getattr(offered, name)) is type(getattr(origin, name))
    assert type(offered.flows) is not type(origin.flows)
