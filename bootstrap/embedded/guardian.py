"""The process that holds a folder's servers while anybody uses them.

It is started by the first user (lease.py), detached from it, and there is one to a folder: it
holds the folder's lock. Users connect to its socket, ask for servers, and stay connected; when the
last connection is gone it stops the servers and ends. The servers are bound to it in turn: the
kernel signals them when it dies (launch.py), and what escaped that is ended by the next guardian
(process.Ledger). So whoever is killed, in whatever order, no server is left.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TypedDict

from bootstrap.embedded import server
from bootstrap.embedded.errors import EmbeddedServerError
from bootstrap.embedded.folder import DataFolder
from bootstrap.embedded.process import Ledger, sweep
from bootstrap.embedded.urls import ServerKind

_FIRST_USER_WITHIN = 30.0


class Request(TypedDict):
    """What a user sends: one line of JSON."""

    servers: list[ServerKind]
    deadline: float


def make(kind: ServerKind, folder: DataFolder) -> server.Server:
    """The server of that kind; imports what it needs and nothing for the others."""
    if kind == "postgres":
        from bootstrap.embedded.postgres import Postgres

        return Postgres(folder)
    if kind == "mongo":
        from bootstrap.embedded.mongo import Mongo

        return Mongo(folder)
    from bootstrap.embedded.valkey import Valkey

    return Valkey(folder)


class Guardian:
    """Starts each kind once, for whoever asks first, and stops all when nobody is left."""

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        self._ledger = Ledger(folder)
        self._servers: dict[ServerKind, asyncio.Task[server.Running]] = {}
        self._users = 0
        self._over = asyncio.Event()
        self._stopped = asyncio.Event()

    async def serve(self, listener: socket.socket) -> None:
        """Returns when the last user has left, or at SIGTERM; every server has ended then."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._over.set)
        loop.call_later(_FIRST_USER_WITHIN, self._leave_if_alone)
        if self._folder.temporary:
            sweeping = asyncio.create_task(asyncio.to_thread(sweep, self._folder.root.parent))
        # Not start_unix_server, which from Python 3.13 on looks for the socket's file at the
        # address it was bound by (DataFolder.listen), and that is no more.
        door = await asyncio.start_server(self._user, sock=listener)
        await self._over.wait()
        self._folder.socket_file.unlink(missing_ok=True)
        door.close()
        await asyncio.gather(*(self._stop(kind) for kind in self._servers))
        if self._folder.temporary:
            await asyncio.to_thread(shutil.rmtree, self._folder.root, ignore_errors=True)
            await sweeping
        self._stopped.set()

    def _leave_if_alone(self) -> None:
        if not self._users:
            self._over.set()

    async def _user(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = await reader.readline()
        except OSError:
            asked = b""
        # Who asks too late stays unanswered, and will start the next guardian; who only looked
        # whether there is one (main, below) is no user.
        if asked and not self._over.is_set():
            self._users += 1
            try:
                await self._attend(json.loads(asked), reader, writer)
            except OSError:
                pass  # it died before it had its answer, and so has left
            finally:
                self._users -= 1
                self._leave_if_alone()
            if self._over.is_set():
                await self._stopped.wait()  # the connection's end tells the last user so
        writer.close()

    async def _attend(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        leaving = asyncio.create_task(reader.read())
        answering = asyncio.create_task(self._answer(request))
        try:
            await asyncio.wait({leaving, answering}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                writer.write(answering.result() + b"\n")
                await writer.drain()
                await leaving
        finally:
            answering.cancel()
            leaving.cancel()

    async def _answer(self, request: Request) -> bytes:
        try:
            running = await asyncio.gather(
                *(self._running(kind, request["deadline"]) for kind in request["servers"])
            )
        except EmbeddedServerError as error:
            return _told(error)
        except (OSError, ValueError) as error:
            return _told(
                EmbeddedServerError(
                    "guardian",
                    f"can't use {self._folder.root}: {error!r}",
                    advice="the data folder and what is in it must be this user's own",
                )
            )
        owners = {one.server.kind: one.owner_url for one in running if one.owner_url is not None}
        urls = {one.server.kind: one.url for one in running}
        return json.dumps({"urls": urls, "owners": owners}).encode()

    async def _running(self, kind: ServerKind, deadline: float) -> server.Running:
        """The server, started unless it runs; one that failed or ended is started anew."""
        task = self._servers.get(kind)
        if task is None or (task.done() and (task.exception() or not task.result().alive)):
            made = make(kind, self._folder)
            task = asyncio.create_task(server.start(made, self._ledger, deadline))
            self._servers[kind] = task
        # Shielded: others may be waiting for it when the user who asked first leaves.
        return await asyncio.shield(task)

    async def _stop(self, kind: ServerKind) -> None:
        task = self._servers[kind]
        task.cancel()  # without effect on one that has started
        await asyncio.wait({task})
        if not task.cancelled() and not task.exception():
            await task.result().stop()
        self._ledger.remove(kind)


def _told(error: EmbeddedServerError) -> bytes:
    fields = {name: getattr(error, name) for name in ("server", "problem", "advice", "log")}
    return json.dumps({"error": fields}).encode()


def main(root: str, durability: str, patience: str) -> None:
    """Exits with 0 once a guardian listens in the folder: this one, detached, or a faster one.

    :param patience: seconds to wait for one that is about to end.
    """
    os.umask(0o077)
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]  # a user's own server is none of ours
    folder = DataFolder(Path(root), temporary=durability == "temporary")
    limit = time.monotonic() + float(patience)
    while folder.lock() is None:
        other = folder.connect()
        if other is not None:
            other.close()
            return
        if time.monotonic() > limit:
            sys.exit(f"another guardian holds {root} and does not answer")
        time.sleep(0.02)
    listener = folder.listen()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    Ledger(folder).end_leftovers()
    asyncio.run(Guardian(folder).serve(listener))
