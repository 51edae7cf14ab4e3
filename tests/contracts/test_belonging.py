"""The contracts of `ports.contracts.belonging`."""

from ports.contracts.belonging import *  # noqa: F403
