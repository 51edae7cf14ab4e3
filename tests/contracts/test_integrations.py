"""The contracts of `ports.contracts.integrations`."""

from ports.contracts.integrations import *  # noqa: F403
