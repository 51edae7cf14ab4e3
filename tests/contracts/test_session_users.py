"""The contracts of `ports.contracts.session_users`."""

from ports.contracts.session_users import *  # noqa: F403
