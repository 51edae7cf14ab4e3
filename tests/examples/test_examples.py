"""The examples, run as their readers would run them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bootstrap.stores import postgres_settings
from tests.servers import POSTGRES_URL

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/tests"))


def test_there_is_an_example() -> None:
    """Or the next test would say nothing."""
    assert "flow_service" in EXAMPLES


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_s_own_tests_pass_in_memory_and_on_postgres(example: str) -> None:
    """The same tests, none of them skipped."""
    with postgres_settings() as settings:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", f"examples/{example}", "-vv", "--color=no"],
            env=os.environ | {POSTGRES_URL: str(settings.postgres_owner_url)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    results = [line for line in done.stdout.splitlines() if "PASSED" in line]
    unit = {line.partition("[unit")[0] for line in results if "[unit" in line}
    integration = {line.partition("[integr")[0] for line in results if "[integr" in line}
    assert unit == integration != set()
    assert "skipped" not in done.stdout
