"""A primary, replicas and three sentinels that watch them, each a real process."""

import os
import subprocess
from pathlib import Path

from barq.store.process import find_binary
from tests.support import Server, wait_until
from tests.topology.replicas import ReplicaSet, info, tell

NAME = "main"
DOWN_AFTER_MS = 700


class Sentinel(Server):
    def __init__(self, folder: Path, number: int) -> None:
        super().__init__(folder)
        self.id = f"{number:040x}"

    def configure(self, primary: Server, replicas: list[Server], others: "list[Sentinel]") -> None:
        """They know each other from the start: to find each other takes them seconds."""
        lines = [
            f"bind {self.host}",
            "protected-mode no",
            f"port {self.port}",
            f'dir "{self.folder}"',
            f"sentinel myid {self.id}",
            f"sentinel monitor {NAME} {primary.host} {primary.port} 2",
            f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {NAME} 3000",
            f"sentinel parallel-syncs {NAME} 2",
            *(f"sentinel known-replica {NAME} {replica.host} {replica.port}" for replica in replicas),
            *(f"sentinel known-sentinel {NAME} {other.host} {other.port} {other.id}" for other in others),
        ]
        (self.folder / "sentinel.conf").write_text("\n".join(lines) + "\n")

    def start(self) -> "Sentinel":
        binary = os.environ.get("BARQ_TEST_SERVER") or str(find_binary())
        self.process = subprocess.Popen(
            [*self.wrapper, binary, str(self.folder / "sentinel.conf"), "--sentinel"],
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(self._answers, "the sentinel answers")
        return self

    def primary(self) -> tuple[str, int]:
        """The address of the primary that this sentinel names."""
        found = tell(self, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
        assert isinstance(found, list)
        return str(found[0]), int(str(found[1]))

    def of_primary(self) -> dict[str, str]:
        return _fields(tell(self, "SENTINEL", "MASTER", NAME))

    def sees(self, what: str) -> list[dict[str, str]]:
        """REPLICAS or SENTINELS."""
        found = tell(self, "SENTINEL", what, NAME)
        assert isinstance(found, list)
        return [_fields(one) for one in found]


class SentinelSet(ReplicaSet):
    """`url` lists all sentinels."""

    def __init__(self, folder: Path, replicas: int = 2, sentinels: int = 3) -> None:
        super().__init__(folder, replicas)
        self.sentinels = []
        for number in range(1, sentinels + 1):
            place = folder / f"sentinel {number}"
            place.mkdir()
            self.sentinels.append(Sentinel(place, number))

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(f'{sentinel.host}:{sentinel.port}' for sentinel in self.sentinels)}/{NAME}"

    def start(self) -> "SentinelSet":
        super().start()
        for sentinel in self.sentinels:
            others = [other for other in self.sentinels if other is not sentinel]
            sentinel.configure(self.primary, self.replicas, others)
            sentinel.start()
        for sentinel in self.sentinels:
            wait_until(lambda sentinel=sentinel: self._is_ready(sentinel), "the sentinels know all")
        return self

    def _is_ready(self, sentinel: Sentinel) -> bool:
        """It talks to everybody; before that it would neither see a failure nor be elected."""
        replicas, others = sentinel.sees("REPLICAS"), sentinel.sees("SENTINELS")
        return (
            sentinel.of_primary()["flags"] == "master"
            and sorted(found["port"] for found in replicas) == sorted(str(replica.port) for replica in self.replicas)
            and all(found["flags"] == "slave" and found["master-link-status"] == "ok" for found in replicas)
            and len(others) == len(self.sentinels) - 1
            and all(found["flags"] == "sentinel" for found in others)
        )

    def stop(self) -> None:
        for sentinel in self.sentinels:
            if sentinel.running:
                sentinel.kill()
        super().stop()

    def now_primary(self) -> Server:
        """The server that the sentinels name and that says the same of itself."""
        named = [sentinel.primary() for sentinel in self.sentinels if sentinel.running]
        found = max(self.servers, key=lambda server: named.count((server.host, server.port)))
        assert info(found)["role"] == "master"
        return found

    def wait_for_failover(self, before: Server, *, among: "list[Sentinel] | None" = None) -> None:
        def over() -> bool:
            named = {sentinel.primary() for sentinel in among or self.sentinels if sentinel.running}
            return len(named) == 1 and named != {(before.host, before.port)}

        wait_until(over, "the sentinels name another primary")


def _fields(reply: object) -> dict[str, str]:
    assert isinstance(reply, list)
    return dict(zip(map(str, reply[::2]), map(str, reply[1::2]), strict=True))
