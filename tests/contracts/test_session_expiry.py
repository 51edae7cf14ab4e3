"""The contracts of `ports.contracts.session_expiry`."""

from ports.contracts.session_expiry import *  # noqa: F403
