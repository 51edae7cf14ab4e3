"""The contracts of `ports.contracts.state_machine`."""

from ports.contracts.state_machine import *  # noqa: F403
