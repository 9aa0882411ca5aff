"""A primary with replicas, each a real server, whose processes a test freezes, kills and promotes."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from barq.store.talk import Wire
from tests.support import Server, until, wait_until

# a replica's first synchronization waits 5 s for others, unless told otherwise
QUICK = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")


def tell(server: Server, *words: str) -> object:
    with Wire.dial(server.host, server.port, timeout=5) as wire:
        return wire.ask(*words)


def info(server: Server) -> dict[str, str]:
    with Wire.dial(server.host, server.port, timeout=5) as wire:
        return wire.info()


def calls_of(server: Server, command: str) -> int:
    """How often the server has run a command."""
    stats = str(tell(server, "INFO", "commandstats")).splitlines()
    found = [line for line in stats if line.startswith(f"cmdstat_{command}:")]
    return int(found[0].split("calls=")[1].split(",")[0]) if found else 0


@contextlib.contextmanager
def frozen(*servers: Server) -> Iterator[None]:
    """Inside the block these processes stand still; their sockets stay open."""
    try:
        for server in servers:
            freeze(server)
        yield
    finally:
        for server in servers:
            thaw(server)


def freeze(server: Server) -> None:
    assert server.process is not None
    os.kill(server.process.pid, signal.SIGSTOP)


def thaw(server: Server) -> None:
    if server.process is not None and server.running:
        os.kill(server.process.pid, signal.SIGCONT)


class ReplicaSet:
    """`primary` and `replicas`, all in step when it has started."""

    def __init__(self, folder: Path, replicas: int, *options: str) -> None:
        self.primary = Server(_made(folder / "primary"), *QUICK, *options)
        self.replicas = [
            Server(_made(folder / f"replica {number}"), *QUICK, *options) for number in range(1, replicas + 1)
        ]

    @property
    def url(self) -> str:
        return self.primary.url

    @property
    def servers(self) -> list[Server]:
        return [self.primary, *self.replicas]

    def start(self) -> "ReplicaSet":
        self.primary.start()
        for replica in self.replicas:
            replica.options += ("--replicaof", f"{self.primary.host} {self.primary.port}")
            replica.start()
        for replica in self.replicas:
            wait_until(lambda replica=replica: in_step(replica), "the replica follows")
        wait_until(lambda: info(self.primary)["connected_slaves"] == str(len(self.replicas)), "all replicas follow")
        return self

    def stop(self) -> None:
        for server in self.servers:
            thaw(server)
            if server.running:
                server.kill()


def in_step(replica: Server) -> bool:
    found = info(replica)
    return found.get("master_link_status") == "up" and found.get("master_sync_in_progress") == "0"


async def follow(replicas: list[Server], port: int) -> None:
    """Have replicas follow the primary behind a port of this very process."""
    for replica in replicas:
        tell(replica, "REPLICAOF", "127.0.0.1", str(port))

    async def followed() -> bool:
        return all(in_step(replica) for replica in replicas)

    await until(followed, "the replicas follow")


def offset(server: Server) -> int:
    """How far this server is in the stream of writes."""
    found = info(server)
    return int(found["slave_repl_offset"] if found["role"] == "slave" else found["master_repl_offset"])


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
