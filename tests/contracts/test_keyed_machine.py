"""The contracts of `ports.contracts.keyed_machine`."""

from ports.contracts.keyed_machine import *  # noqa: F403
