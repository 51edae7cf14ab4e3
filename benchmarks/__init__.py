"""Ratios of our speed to that of bare drivers and peers; no absolute time decides anything.

    python -m benchmarks --quick
    python -m benchmarks --only get list --json -

`run` does the same from code. Needs the extras `embedded` (unless URLs are given) and `bench`.
Each row says in its module what exactly is compared; `measuring` says how.
"""

from benchmarks.figures import Figure
from benchmarks.scale import Scale
from benchmarks.suite import CACHED, MONGO, NAMES, POSTGRES, REDIS, SERVICES, UnknownRowsError, run

__all__ = [
    "CACHED",
    "MONGO",
    "NAMES",
    "POSTGRES",
    "REDIS",
    "SERVICES",
    "Figure",
    "Scale",
    "UnknownRowsError",
    "run",
]
