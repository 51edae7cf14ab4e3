"""Whether what a service stands on is as it should be: for probes, and for `dialogbase doctor`.

health = await platform.ready()          # by what is open already: a readiness probe
health = await checks(settings)          # everything, by connections of its own
"""

from bootstrap.health.findings import FATAL, WARNING, Check, Health, Severity
from bootstrap.health.looking import Extent, checks
from bootstrap.health.readiness import READY_WITHIN, answering

__all__ = [
    "FATAL",
    "READY_WITHIN",
    "WARNING",
    "Check",
    "Extent",
    "Health",
    "Severity",
    "answering",
    "checks",
]
