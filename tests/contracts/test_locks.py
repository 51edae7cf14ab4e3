"""The contracts of `ports.contracts.locks`."""

from ports.contracts.locks import *  # noqa: F403
