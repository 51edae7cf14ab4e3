"""The contracts of `ports.contracts.erasure_dialogues`."""

from ports.contracts.erasure_dialogues import *  # noqa: F403
