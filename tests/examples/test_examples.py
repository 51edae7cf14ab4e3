"""The examples, run as their readers would run them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bootstrap import Settings
from tests.servers import MONGO_URL, POSTGRES_URL, REDIS_URL

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/tests"))


def test_there_is_an_example() -> None:
    """Or the next test would say nothing."""
    assert set(EXAMPLES) >= {"flow_service", "chat_api"}


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_s_own_tests_pass_in_memory_and_on_servers(
    example: str, on_servers: Settings
) -> None:
    """The same tests, none of them skipped."""
    urls = {
        POSTGRES_URL: str(on_servers.postgres_owner_url),
        MONGO_URL: str(on_servers.mongo_url),
        REDIS_URL: str(on_servers.redis_url),
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", f"examples/{example}", "-vv", "--color=no"],
        env=os.environ | urls,
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
