"""Standard output as it may be found: another encoding, or none at all."""

import json
import os
import subprocess
import sys

import pytest

DIALOGBASE = (sys.executable, "-m", "bootstrap.cli")
DEMO = (*DIALOGBASE, "demo", "--profile", "memory")
DOCTOR = (*DIALOGBASE, "doctor", "--profile", "memory")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_the_terminal_cannot_show_is_replaced(encoding: str) -> None:
    """The story goes on; a program gets the same JSON as everywhere, in UTF-8."""
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    told = subprocess.run(DEMO, env=environment, capture_output=True, check=False)
    assert (told.returncode, told.stderr) == (0, b"")
    assert b"?" in told.stdout
    if encoding == "ascii":
        told = subprocess.run((*DEMO, "--json"), env=environment, capture_output=True, check=True)
        assert json.loads(told.stdout.decode("utf-8"))
    refused = subprocess.run(
        (*DIALOGBASE, "import", "flows", "ä", "--tenant", "a", "--profile", "memory"),
        env=environment,
        capture_output=True,
        check=False,
    )
    assert refused.returncode in (1, 2)
    assert b"Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("closed", "command"), [("1>&-", DEMO), ("2>&-", DOCTOR), ("1>&- 2>&-", DOCTOR)]
)
def test_a_command_without_standard_output_does_its_work(
    closed: str, command: tuple[str, ...]
) -> None:
    """Nobody reads, and nothing else gets what was meant to be read."""
    ran = subprocess.run(
        ("sh", "-c", f'exec "$@" {closed}', "sh", *command), capture_output=True, check=False
    )
    assert ran.returncode == 0
    assert b"Traceback" not in ran.stderr
