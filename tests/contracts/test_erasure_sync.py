"""The contracts of `ports.contracts.erasure_sync`."""

from ports.contracts.erasure_sync import *  # noqa: F403
