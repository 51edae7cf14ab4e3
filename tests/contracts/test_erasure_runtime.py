"""The contracts of `ports.contracts.erasure_runtime`."""

from ports.contracts.erasure_runtime import *  # noqa: F403
