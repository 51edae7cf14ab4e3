"""The adapters on which the contracts run here."""

import gc

import pytest

pytest_plugins = ["ports.contracts.plugin"]


def pytest_configure(config: pytest.Config) -> None:
    """All of ours, MongoDB on both drivers, Redis alone, as a cluster and with MongoDB, unless
    `--backend` names others.
    """
    if not config.getoption("--backend"):
        config.option.backend = [
            "tests.contracts.backends:MemoryBackend",
            "tests.contracts.backends:PostgresBackend",
            "tests.contracts.cached_backends:CachedBackend",
            "tests.contracts.mongo_backends:MongoBackend",
            "tests.contracts.mongo_backends:PymongoBackend",
            "tests.contracts.redis_backends:RedisBackend",
            "tests.contracts.redis_backends:RedisClusterBackend",
            "tests.contracts.observed_backends:MemoryObservedBackend",
            "tests.contracts.pair_backends:MemoryPairBackend",
            "tests.contracts.pair_backends:RedisMongoBackend",
            "tests.contracts.figures_backend:PostgresMongoBackend",
        ]


def pytest_collection_finish() -> None:
    """Some hundred thousand objects of tests that stay to the end: the garbage collector needn't
    look at them again and again, which took a good part of the run.
    """
    gc.collect()
    gc.freeze()
