"""Processes of the service, and their clients."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx

from bootstrap import Settings
from tests.bootstrap.stores import environment_of

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 60.0
"""Seconds until a client gives up: a machine may be busy."""


@attrs.frozen
class Process:
    """One process of the service."""

    url: str
    process: "subprocess.Popen[bytes]"

    def client(self, tenant: str, user: str | None = None) -> "Client":
        """A browser of a user's, who logs in if they are named."""
        made = Client(self.url, tenant)
        if user is not None:
            made.log_in(user)
        return made


@attrs.define
class Client:
    """A browser: it keeps the cookie, though what it speaks isn't TLS."""

    url: str
    tenant: str
    cookie: str = ""

    def log_in(self, user: str) -> None:
        """The cookie is kept, and sent from now on."""
        answer = self.call("POST", "/sessions", json={"user_id": user})
        assert answer.status_code == 201, answer.text
        self.cookie = answer.headers["set-cookie"].partition(";")[0]

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request, over a connection of its own."""
        headers = {"X-Tenant-Id": self.tenant, "Cookie": self.cookie, **options.pop("headers", {})}
        return httpx.request(method, self.url + path, headers=headers, timeout=PATIENCE, **options)

    def begin(self) -> str:
        """A conversation."""
        answer = self.call("POST", "/conversations", json={})
        assert answer.status_code == 201, answer.text
        id: str = answer.json()["id"]
        return id

    def say(self, conversation: str, text: str, key: str) -> httpx.Response:
        """A message with a key."""
        path = f"/conversations/{conversation}/messages"
        headers = {"Idempotency-Key": key}
        return self.call("POST", path, json={"text": text}, headers=headers)

    def said(self, conversation: str) -> list[Any]:
        """All that was said."""
        path = f"/conversations/{conversation}/messages"
        answer = self.call("GET", path, params={"limit": 100})
        items: list[Any] = answer.json()["items"]
        return items

    def at(self, other: Process) -> "Client":
        """The same browser, sent to another process."""
        return attrs.evolve(self, url=other.url)


@contextmanager
def serving(settings: Settings, *arguments: str, **variables: str) -> Iterator[Process]:
    """A process of the service for the block. Its socket takes connections from the start, so that
    who asks before it is ready is answered then."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        descriptor = listening.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.worker", str(descriptor), *arguments],
            pass_fds=[descriptor],
            cwd=ROOT,
            env=os.environ | environment_of(settings) | variables,
        )
        port = listening.getsockname()[1]
    try:
        yield Process(f"http://127.0.0.1:{port}", process)
    finally:
        process.kill()
        process.wait()
