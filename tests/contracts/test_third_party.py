"""A third party's adapter, tested from outside the repository by the documented command."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TypeAlias

import pytest

import ports.contracts
from ports.contracts.plugin import PROFILE

ADAPTER = """
from contextlib import asynccontextmanager

from adapters.memory import MemoryAuthoringStore, MemoryDialogueStore
from adapters.memory.flows import MemoryFlowRepository
from adapters.memory.store import MemoryAuthoring
from ports.capabilities import Capability
from ports.contracts.harness import Backend, Group
from ports.errors import UnsupportedOperationError


class ToyStore(MemoryAuthoringStore):
    name = "toy"
    capabilities = frozenset({Capability.REGEX})

    def unit(self, tenant, author=None):
        raise UnsupportedOperationError("the toy has no units of work")


class ForgetfulRepository(MemoryFlowRepository):
    async def _count(self, criteria):
        return 0


class ForgetfulRepositories(MemoryAuthoring):
    @property
    def flows(self):
        return ForgetfulRepository(self._context, self._session)


class ForgetfulStore(MemoryAuthoringStore):
    def _on(self, context, session):
        return ForgetfulRepositories(context, session)


class Toy(Backend):
    name = "toy"

    @asynccontextmanager
    async def stores(self):
        store = ToyStore(clock=self.clock)
        yield store, store


class Talkative(Backend):
    name = "talkative"
    offers = frozenset({Group.DIALOGUE})

    @asynccontextmanager
    async def stores(self):
        store = MemoryDialogueStore(clock=self.clock)
        yield store, store


class Boastful(Talkative):
    name = "boastful"
    offers = frozenset(Group)


class ModestStore(MemoryAuthoringStore):
    capabilities = frozenset()


class Modest(Backend):
    name = "modest"

    @asynccontextmanager
    async def stores(self):
        store = ModestStore(clock=self.clock)
        yield store, store


class Forgetful(Backend):
    name = "forgetful"

    @asynccontextmanager
    async def stores(self):
        store = ForgetfulStore(clock=self.clock)
        yield store, store


class Unreachable(Backend):
    name = "unreachable"

    @asynccontextmanager
    async def stores(self):
        raise ConnectionRefusedError("nobody listens there")
        yield
"""


Ran: TypeAlias = "subprocess.CompletedProcess[str]"


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the adapter's module."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "my_adapter.py").write_text(ADAPTER)
    return folder


def contracts(folder: Path, *arguments: str) -> Ran:
    """The documented command, with more arguments."""
    documented = "-p ports.contracts.plugin --pyargs ports.contracts"
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST")
    }
    environment[PROFILE[0]] = "few"
    # Those that are installed here belong to other tests, and to load them takes a third of a run.
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    return subprocess.run(
        [sys.executable, "-m", "pytest", *documented.split(), "-v", "-rs", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_is_documented() -> None:
    """What is run here is what the package says."""
    documented = ports.contracts.__doc__ or ""
    assert (
        "python -m pytest -p ports.contracts.plugin --pyargs ports.contracts "
        "--backend my_adapter:MyStore"
    ) in documented


@pytest.fixture(scope="module")
def sound(outside: Path) -> Ran:
    """Adapters that pass, each with a group of data."""
    ran = contracts(
        outside,
        *("--backend", "my_adapter:Talkative", "--backend", "my_adapter:Toy"),
        *("-k", "undeclared or taken or clean_exit or deleted_entity or can_be_used or publish_m"),
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran


@pytest.fixture(scope="module")
def faulty(outside: Path) -> Ran:
    """Adapters that fail, each for another reason."""
    names = ("Boastful", "Forgetful", "Modest", "Unreachable")
    ran = contracts(
        outside,
        *(part for name in names for part in ("--backend", f"my_adapter:{name}")),
        *("-k", "a_deleted_entity or undeclared"),
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    return ran


def told(ran: Ran, name: str) -> dict[str, str]:
    """How each test ended whose name, with its parameters, holds that."""
    lines = [line.partition("::")[2].split() for line in ran.stdout.splitlines() if "::" in line]
    return {test: state for test, state, *_ in lines if name in test}


def test_a_sound_adapter_passes(sound: Ran) -> None:
    """Tests are named by the adapter; what it doesn't declare is checked to be refused."""
    ended = told(sound, "[toy")
    assert ended["test_a_taken_key_is_refused_and_named[toy-flow]"] == "PASSED"
    assert ended["test_undeclared_transactions_are_refused[toy-flow]"] == "PASSED"
    assert ended["test_a_clean_exit_commits_everything[toy-flow]"] == "SKIPPED"
    assert "toy doesn't declare transactions" in sound.stdout


def test_only_what_an_adapter_offers_is_asked_of_it(sound: Ran) -> None:
    """Contracts of other groups of data are left out; those of any group run on what it offers."""
    assert told(sound, "deleted_entity") | told(sound, "says_so") | told(sound, "publish_m") == (
        dict.fromkeys(
            (
                "test_a_deleted_entity_is_gone[talkative-conversation]",
                "test_a_deleted_entity_is_gone[talkative-execution_context]",
                "test_a_deleted_entity_is_gone[toy-flow]",
                "test_a_deleted_entity_is_gone[toy-experiment]",
                "test_a_deleted_entity_is_gone[toy-integration]",
                "test_a_store_that_can_be_used_says_so[talkative-dialogue]",
                "test_a_store_that_can_be_used_says_so[toy-authoring]",
                "test_publish_makes_a_flow_active[toy]",
            ),
            "PASSED",
        )
    )


def test_what_is_said_to_be_offered_must_be(faulty: Ran) -> None:
    """An adapter whose instances lack a store fails, whatever is asked of it."""
    assert set(told(faulty, "[boastful").values()) == {"ERROR"}
    assert "boastful: every instance must offer what `offers` says" in faulty.stdout


def test_a_faulty_adapter_fails_with_an_explanation(faulty: Ran) -> None:
    """Assertions are shown with their values, as in a test of one's own."""
    assert told(faulty, "deleted_entity_is_gone[forgetful-flow]").popitem()[1] == "FAILED"
    assert "assert 0 == 1" in faulty.stdout


def test_what_works_must_be_declared(faulty: Ran) -> None:
    """A capability is tested both ways: what isn't declared must be refused."""
    ended = told(faulty, "[modest-flow]")
    assert ended["test_undeclared_transactions_are_refused[modest-flow]"] == "FAILED"
    assert ended["test_an_undeclared_regex_is_refused[modest-flow]"] == "FAILED"


def test_an_adapter_that_cannot_be_opened_fails(faulty: Ran) -> None:
    """It is never skipped."""
    assert set(told(faulty, "[unreachable").values()) == {"ERROR"}
    assert "nobody listens there" in faulty.stdout


@pytest.mark.parametrize(
    "arguments", [(), ("--backend", "my_adapter"), ("--backend", "my_adapter:Missing")], ids=repr
)
def test_a_backend_must_be_named(outside: Path, arguments: tuple[str, ...]) -> None:
    """Without one, nothing is tested and nothing passes."""
    ran = contracts(outside, *arguments, "-k", "a_deleted_entity")
    assert ran.returncode not in (0, 5), ran.stdout + ran.stderr
    assert "--backend" in ran.stdout + ran.stderr
