"""The contracts of `ports.contracts.integration_calls`."""

from ports.contracts.integration_calls import *  # noqa: F403
