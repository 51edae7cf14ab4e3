"""Whether what a service stands on is as it should be: for probes, and for `dialogbase doctor`.

health = await platform.ready()          # over what is open already: a readiness probe
health = await checks(settings)          # everything, over connections of its own
"""

from bootstrap.health.findings import Check, Health, Severity
from bootstrap.health.readiness import READY_WITHIN, answering

__all__ = ["READY_WITHIN", "Check", "Health", "Severity", "answering"]
