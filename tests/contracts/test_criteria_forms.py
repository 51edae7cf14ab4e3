"""The contracts of `ports.contracts.criteria_forms`."""

from ports.contracts.criteria_forms import *  # noqa: F403
