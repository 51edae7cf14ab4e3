"""A store that stops while the service runs, and comes back."""

import time

from bootstrap import Settings, Stores
from tests.examples.chat_api.serving import Process, serving
from tests.valkey import real_server

TRIES = 300
PAUSE = 0.1


def _ready(process: Process) -> int:
    return process.client("acme").call("GET", "/readyz").status_code


def test_a_store_that_stops_is_told_and_once_it_is_back_all_goes_on() -> None:
    """503, and when to come again; the process lives on, and what was there still is."""
    with real_server() as node:
        settings = Settings(
            profile="servers",
            redis_url=node.url,
            stores=Stores(authoring="memory", dialogue="memory"),
        )
        with serving(settings, DIALOGBASE_DEADLINE_SECONDS="0.5") as process:
            client = process.client("acme", "ada")
            assert _ready(process) == 200
            node.pause()
            refused = client.call("GET", "/conversations")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert refused.json()["type"] in {
                "urn:dialogbase:problem:timeout",
                "urn:dialogbase:problem:unavailable",
            }
            assert _ready(process) == 503
            assert client.call("GET", "/healthz").status_code == 200
            node.resume()
            tried = 0
            while _ready(process) != 200 and tried < TRIES:
                tried += 1
                time.sleep(PAUSE)
            assert client.call("GET", "/conversations").status_code == 200
