"""What a service has to import and to run for the driver that it chose."""

import subprocess
import sys
from typing import get_args

import pytest

from adapters.mongo.driver import DriverName

_LOADS = """
import asyncio, sys, threading
from adapters.mongo.driver import Client, MongoOptions

async def scenario():
    client = Client.open("mongodb://127.0.0.1:1/", MongoOptions(driver=sys.argv[1]))
    print("motor" in sys.modules, threading.active_count())
    await client.close()

asyncio.run(scenario())
"""


@pytest.mark.parametrize("driver", get_args(DriverName))
def test_a_driver_that_was_not_chosen_is_not_loaded(driver: DriverName) -> None:
    """And opening connects nowhere and starts no thread."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _LOADS, driver],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(driver == "motor"), "1"]
    assert done.stderr == ""
