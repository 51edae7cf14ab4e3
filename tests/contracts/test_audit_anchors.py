"""The contracts of `ports.contracts.audit_anchors`."""

from ports.contracts.audit_anchors import *  # noqa: F403
