"""The contracts of `ports.contracts.erasure_authoring`."""

from ports.contracts.erasure_authoring import *  # noqa: F403
