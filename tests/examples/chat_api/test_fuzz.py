"""What nobody would send: the service's own OpenAPI document says what it takes, schemathesis sends
that, and what is nearly that, and holds the answers against the document."""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

import bootstrap
from bootstrap import Settings
from bootstrap.fastapi.sessions import COOKIE
from bootstrap.platform import Platform
from examples.chat_api import asking, sample
from examples.chat_api.app import create_app

TENANT = {"X-Tenant-Id": "acme"}

CONFIGURATION = """
[auth.openapi.session]
api_key = "{token}"

# Text that looks fine may be refused: an altered cursor, or a key that came with other content.
[checks.positive_data_acceptance]
enabled = false
"""


@asynccontextmanager
async def _seeded() -> AsyncIterator[Platform]:
    async with bootstrap.open(Settings.memory()) as platform:
        await sample.publish(platform.for_tenant(TENANT["X-Tenant-Id"]))
        yield platform


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The service in memory, without its limits, in a thread of this process."""
    app = create_app(_seeded)
    for limit in (asking.LOG_IN, asking.READ, asking.WRITE):
        app.dependency_overrides[limit.dependency] = lambda: None
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(
            target=asyncio.run, args=(server.serve(sockets=[listening]),), daemon=True
        )
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


# Who logs in or out ends the session that was presented, and who is forgotten all of them; so these
# have a user of their own.
@pytest.mark.parametrize("which", ["exclude", "include"])
def test_whatever_is_sent_is_answered_as_documented(
    which: str, address: str, tmp_path: Path
) -> None:
    """And never by a fault of the server's: status, headers, type and shape are as the document
    says, what it doesn't admit is refused, and without a session nothing is told."""
    answer = httpx.post(f"{address}/sessions", json={"user_id": which}, headers=TENANT)
    token = answer.headers["set-cookie"].removeprefix(f"{COOKIE}=").partition(";")[0]
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION.format(token=token))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration)),
            *(
                "run",
                f"{address}/openapi.json",
                f"--{which}-path-regex=^/(sessions|users)",
                "--no-color",
                "--generation-deterministic",
            ),
            *("--header", ":".join(*TENANT.items()), "--max-examples", "8"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
