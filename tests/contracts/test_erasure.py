"""The contracts of `ports.contracts.erasure`."""

from ports.contracts.erasure import *  # noqa: F403
