"""The contracts of `ports.contracts.session_races`."""

from ports.contracts.session_races import *  # noqa: F403
