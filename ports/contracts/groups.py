"""Groups of data that a store may offer, and which contracts are about which of them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Group(StrEnum):
    """What is kept together; a store offers all of a group or none of it."""

    AUTHORING = "authoring"
    DIALOGUE = "dialogue"
    RUNTIME = "runtime"
    ANALYTICS = "analytics"


CONTRACTS: Final[Mapping[str, Group | None]] = {
    "repository": None,
    "writing": None,
    "patching": None,
    "criteria": None,
    "criteria_forms": None,
    "paging": None,
    "isolation": None,
    "concurrency": None,
    "unit_of_work": None,
    "unit_conflicts": None,
    "cancellation": None,
    "maintenance": None,
    "tenant_restoring": None,
    "tombstones": None,
    "late_writes": None,
    "erasure": None,
    "hostile": None,
    "state_machine": None,
    "flows": Group.AUTHORING,
    "flow_operations": Group.AUTHORING,
    "flow_use": Group.AUTHORING,
    "flow_metric_keys": Group.AUTHORING,
    "flow_values": Group.AUTHORING,
    "flow_versions": Group.AUTHORING,
    "flow_races": Group.AUTHORING,
    "belonging": Group.AUTHORING,
    "experiments": Group.AUTHORING,
    "experiment_assignments": Group.AUTHORING,
    "experiment_outcomes": Group.AUTHORING,
    "experiment_races": Group.AUTHORING,
    "flow_reads": Group.AUTHORING,
    "audit": Group.AUTHORING,
    "audit_reading": Group.AUTHORING,
    "audit_chain": Group.AUTHORING,
    "audit_tampering": Group.AUTHORING,
    "audit_machine": Group.AUTHORING,
    "audit_retention": Group.AUTHORING,
    "audit_anchors": Group.AUTHORING,
    "outbox": Group.AUTHORING,
    "outbox_delivery": Group.AUTHORING,
    "outbox_dispatching": Group.AUTHORING,
    "outbox_machine": Group.AUTHORING,
    "integrations": Group.AUTHORING,
    "integration_calls": Group.AUTHORING,
    "integration_races": Group.AUTHORING,
    "call_retention": Group.AUTHORING,
    "credentials": Group.AUTHORING,
    "trail_restoring": Group.AUTHORING,
    "erasure_authoring": Group.AUTHORING,
    "conversations": Group.DIALOGUE,
    "conversation_lists": Group.DIALOGUE,
    "conversation_ends": Group.DIALOGUE,
    "contexts": Group.DIALOGUE,
    "dialogue_unit": Group.DIALOGUE,
    "messages": Group.DIALOGUE,
    "message_search": Group.DIALOGUE,
    "annotations": Group.DIALOGUE,
    "history": Group.DIALOGUE,
    "append_log": Group.DIALOGUE,
    "append_races": Group.DIALOGUE,
    "append_replays": Group.DIALOGUE,
    "dialogue_cancellation": Group.DIALOGUE,
    "restoring": Group.DIALOGUE,
    "log_restoring": Group.DIALOGUE,
    "erasure_dialogues": Group.DIALOGUE,
    "dialogue_machine": Group.DIALOGUE,
    "dialogue_retention": Group.DIALOGUE,
    "sessions": Group.RUNTIME,
    "session_expiry": Group.RUNTIME,
    "session_users": Group.RUNTIME,
    "session_races": Group.RUNTIME,
    "executions": Group.RUNTIME,
    "execution_fencing": Group.RUNTIME,
    "execution_sync": Group.RUNTIME,
    "execution_restoring": Group.RUNTIME,
    "execution_workers": Group.RUNTIME,
    "keyed_machine": Group.RUNTIME,
    "hot_restoring": Group.RUNTIME,
    "runtime_maintenance": Group.RUNTIME,
    "erasure_runtime": Group.RUNTIME,
    "erasure_sync": Group.RUNTIME,
    "runtime_isolation": Group.RUNTIME,
    "rate_limits": Group.RUNTIME,
    "rate_limit_bounds": Group.RUNTIME,
    "rate_limit_races": Group.RUNTIME,
    "rate_limit_machine": Group.RUNTIME,
    "quotas": Group.RUNTIME,
    "locks": Group.RUNTIME,
    "lock_races": Group.RUNTIME,
    "lock_losses": Group.RUNTIME,
    "cache": Group.RUNTIME,
    "cache_loading": Group.RUNTIME,
    "cache_invalidation": Group.RUNTIME,
    "cache_refreshing": Group.RUNTIME,
    "cache_machine": Group.RUNTIME,
    "analytics": Group.ANALYTICS,
    "analytics_queries": Group.ANALYTICS,
    "analytics_calendar": Group.ANALYTICS,
    "analytics_maintenance": Group.ANALYTICS,
    "event_lists": Group.ANALYTICS,
    "flow_projection": Group.ANALYTICS,
    "flow_summary": Group.ANALYTICS,
    "sweeping": Group.DIALOGUE,
}
"""Every module of contracts, and the group that it is about: None says whichever is offered."""

TOGETHER: Final[Mapping[str, frozenset[Group]]] = {
    **dict.fromkeys(
        ("execution_sync", "execution_restoring", "execution_workers", "erasure_sync"),
        frozenset({Group.RUNTIME, Group.DIALOGUE}),
    ),
    **dict.fromkeys(
        ("flow_projection", "flow_summary"), frozenset({Group.AUTHORING, Group.ANALYTICS})
    ),
    "sweeping": frozenset(Group),
}
"""Modules that are about groups together: they are run on what offers all of them."""


def group_of(module: str) -> Group | None:
    """The group that a module's contracts are about, or None."""
    return CONTRACTS.get(module.rpartition(".")[2])
