"""The contracts of `ports.contracts.hostile`."""

from ports.contracts.hostile import *  # noqa: F403
