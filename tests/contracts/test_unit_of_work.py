"""The contracts of `ports.contracts.unit_of_work`."""

from ports.contracts.unit_of_work import *  # noqa: F403
