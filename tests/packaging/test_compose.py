"""docker-compose.yml: well-formed, and for this machine only."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

FILE = Path(__file__).resolve().parents[2] / "docker-compose.yml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())["services"]


def test_it_is_what_the_compose_schema_describes() -> None:
    """As published by the Compose specification."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "check_jsonschema"),
            *("--builtin-schema", "vendor.compose-spec", str(FILE)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_has_the_three_kinds_of_server() -> None:
    """Those that stores are built on."""
    assert set(SERVICES) == {"postgres", "mongo", "valkey"}


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_server_is_reachable_from_this_machine_only(service: str) -> None:
    """Its password is no secret."""
    ports = SERVICES[service]["ports"]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_server_tells_when_it_is_ready_and_keeps_its_data(service: str) -> None:
    """`--wait` waits for the first, and `down` spares the second."""
    assert SERVICES[service]["healthcheck"]["test"][0] == "CMD"
    declared = yaml.safe_load(FILE.read_text())["volumes"]
    assert all(volume.partition(":")[0] in declared for volume in SERVICES[service]["volumes"])


def test_valkey_forgets_nothing_before_it_expires() -> None:
    """Neither when its memory is full nor when it is started again."""
    command = SERVICES["valkey"]["command"]
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
    assert command[command.index("--appendonly") + 1] == "yes"


def test_mongo_is_a_replica_set_that_its_health_check_initiates() -> None:
    """Without one there are no transactions."""
    assert "--replSet" in SERVICES["mongo"]["command"]
    assert "rs.initiate" in SERVICES["mongo"]["healthcheck"]["test"][-1]


def test_services_connect_to_postgres_as_a_role_of_their_own() -> None:
    """`POSTGRES_USER` is a superuser there, for whom row-level security is inert."""
    (config,) = SERVICES["postgres"]["configs"]
    assert config["target"].startswith("/docker-entrypoint-initdb.d/")
    script = yaml.safe_load(FILE.read_text())["configs"][config["source"]]["content"]
    assert "CREATE ROLE dialogbase_service LOGIN" in script
    assert "//dialogbase_service:" in FILE.read_text()
