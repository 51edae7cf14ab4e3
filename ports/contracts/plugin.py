"""The pytest plugin: `-p ports.contracts.plugin --pyargs ports.contracts --backend module:factory`.

A factory takes nothing and returns a `Backend`, such as the class itself; `offers`, if it has them,
are the groups of data whose contracts are run. It is called when its first test runs; what keeps
the store from being opened fails the tests, it never skips them.
"""

import os
from collections.abc import Callable, Collection, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, Phase, settings

from ports.contracts.groups import CONTRACTS, TOGETHER, Group, group_of

pytest.register_assert_rewrite(*(f"ports.contracts.{name}" for name in CONTRACTS))

from ports.contracts.harness import Backend  # noqa: E402  # rewriting must be registered first
from ports.contracts.subjects import SUBJECTS  # noqa: E402

Factory: TypeAlias = Callable[[], Backend]

PROFILE = ("DIALOGBASE_HYPOTHESIS_PROFILE", "HYPOTHESIS_PROFILE")
"""The environment variables that choose a profile: `dialogbase` (the default), `contracts` for
many more examples, or `few`, where they ran already and only the server is another version.
"""

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
# A store's speed is no property of what is tested, nor is that of a shared machine. To explain a
# failure takes many times as many examples as to find it.
_COMMON = settings(deadline=None, suppress_health_check=_SLOW, phases=set(Phase) - {Phase.explain})
settings.register_profile("dialogbase", _COMMON, max_examples=50)
settings.register_profile("few", _COMMON, max_examples=10)
settings.register_profile("contracts", _COMMON, max_examples=2_000)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--backend`, once for each adapter under test."""
    parser.getgroup("dialogbase").addoption(
        "--backend",
        action="append",
        default=[],
        metavar="MODULE:FACTORY",
        help="what returns a ports.contracts.harness.Backend; may be given several times",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Load the profile before any contract is imported, for it scales their examples."""
    if not config.getoption("--hypothesis-profile", default=None):
        chosen = next((os.environ[name] for name in PROFILE if os.environ.get(name)), "dialogbase")
        settings.load_profile(chosen)


def pytest_collection(session: pytest.Session) -> None:
    """A name that no backend has is told once, before anything is collected."""
    for name in session.config.getoption("--backend"):
        _factory(name)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """With `--pyargs ports.contracts`, every module of contracts is collected."""
    if file_path.parent == Path(__file__).parent and file_path.stem in CONTRACTS:
        module: pytest.Module = pytest.Module.from_parent(parent, path=file_path)
        return module
    return None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each contract runs on each backend, and for each type of entity or group if it asks for it.

    What a backend doesn't offer is taken out afterwards, in `pytest_collection_modifyitems`; what
    has nothing to do with it isn't made in the first place, which would take most of the time.
    """
    if "backend" in metafunc.fixturenames:
        named = [_factory(name) for name in metafunc.config.getoption("--backend")]
        if not named:
            told = "name an adapter to test: --backend MODULE:FACTORY"
            pytest.exit(told, returncode=pytest.ExitCode.USAGE_ERROR)
        module = metafunc.function.__module__
        groups = _groups(module, metafunc.fixturenames)
        # Of none at all, pytest would make a test that is skipped.
        factories = [
            factory for factory in named if any(_fits(factory, module, group) for group in groups)
        ] or named
        ids = [getattr(factory, "name", factory.__name__) for factory in factories]
        metafunc.parametrize("backend", factories, ids=ids, indirect=True, scope="session")
    if "subject" in metafunc.fixturenames:
        metafunc.parametrize("subject", SUBJECTS, ids=[subject.name for subject in SUBJECTS])
    if "group" in metafunc.fixturenames:
        metafunc.parametrize("group", list(Group), ids=str)


def _groups(module: str, fixtures: Collection[str]) -> Collection[Group | None]:
    """Those that tests of a module may be about, as they ask for these."""
    if "subject" in fixtures:
        return {subject.group for subject in SUBJECTS}
    return list(Group) if "group" in fixtures else [group_of(module)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Contracts about a group of data that a backend doesn't offer say nothing about it."""
    items[:] = [item for item in items if _applies(item)]


def _applies(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return True
    asked: dict[str, Any] = item.callspec.params
    if "backend" not in asked:
        return True
    module = item.function.__module__
    group = asked["subject"].group if "subject" in asked else asked.get("group", group_of(module))
    return _fits(asked["backend"], module, group)


def _fits(factory: Factory, module: str, group: Group | None) -> bool:
    """Whether a module's tests about that group are for it; None: they are about none."""
    name = module.rpartition(".")[2]
    only = getattr(factory, "only", None)
    if only is not None and name not in only:
        return False
    needed = TOGETHER.get(name, frozenset() if group is None else frozenset({group}))
    return needed <= _offers(factory)


def _offers(factory: Factory) -> frozenset[Group]:
    offers: frozenset[Group] = getattr(factory, "offers", Backend.offers)
    return offers


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """An adapter under test, open for the whole session."""
    factory: Factory = request.param
    made = factory()
    if made.offers != _offers(factory):
        raise pytest.UsageError(f"the factory of {made.name} must have the same `offers`")
    with made as opened:
        yield opened


def _factory(name: str) -> Factory:
    module, colon, attribute = name.partition(":")
    if not colon:
        raise pytest.UsageError(f"--backend takes MODULE:FACTORY, not {name!r}")
    try:
        found: Factory = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise pytest.UsageError(f"--backend {name}: {error}") from error
    return found
