"""Several hosts on one machine: network namespaces on a bridge, whose cables a test pulls. Needs the rights of root."""

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator

import pytest


class Network:
    """Hosts with addresses of their own, which this process reaches as well."""

    def __init__(self) -> None:
        self._tag = secrets.token_hex(3)
        self._subnet = f"10.{secrets.randbelow(56) + 200}.{secrets.randbelow(254) + 1}"
        self._bridge = f"bq{self._tag}"
        self._hosts = 0
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("address", "add", f"{self._subnet}.254/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")

    def host(self) -> "Host":
        self._hosts += 1
        return Host(f"bq{self._tag}-{self._hosts}", f"{self._subnet}.{self._hosts}", self._bridge)

    def remove(self) -> None:
        for number in range(1, self._hosts + 1):
            _ip("netns", "delete", f"bq{self._tag}-{number}")
        _ip("link", "delete", self._bridge)


class Host:
    def __init__(self, name: str, address: str, bridge: str) -> None:
        self.name = name
        self.address = address
        self._cable = f"{name}v"
        _ip("netns", "add", name)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", self._cable, "master", bridge)
        _ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        _ip("-n", name, "link", "set", "lo", "up")
        self.plug_in()

    @property
    def wrapper(self) -> tuple[str, ...]:
        """What runs a program on this host."""
        return "ip", "netns", "exec", self.name

    def pull_out(self) -> None:
        """Nobody reaches it any more, and it reaches nobody; no connection is closed by that."""
        _ip("link", "set", self._cable, "down")

    def plug_in(self) -> None:
        _ip("link", "set", self._cable, "up")


@contextlib.contextmanager
def network() -> Iterator[Network]:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs the right to make network namespaces")
    try:
        made = Network()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"needs the right to make network namespaces: {error.stderr!r}")
    try:
        yield made
    finally:
        made.remove()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=10)
