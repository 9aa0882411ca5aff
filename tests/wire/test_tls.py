"""TLS: on servers that have it, of which the bundled one is none. The URL is the one that docs/servers.md shows."""

import gc
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
import trustme

import barq
from tests.support import ROOT, free_port, wait_until

# On Python 3.11 asyncio leaves the transport of a refused handshake unclosed, and says so when it is collected: here, not in
# a later test.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA, tmp_path: Path) -> Iterator[str]:
    """host:port of a server with TLS and a password."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("needs a redis-server with TLS")
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    port = free_port()
    words = {
        "port": "0",
        "tls-port": str(port),
        "dir": str(tmp_path),
        "save": "",
        "requirepass": "secret",
        "tls-auth-clients": "no",
        "tls-cert-file": str(tmp_path / "cert.pem"),
        "tls-key-file": str(tmp_path / "key.pem"),
        "tls-ca-cert-file": str(tmp_path / "ca.pem"),
    }
    command = [binary, *(word for name, value in words.items() for word in (f"--{name}", value))]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        probe = redis.Redis(
            host="127.0.0.1", port=port, ssl=True, ssl_ca_certs=str(tmp_path / "ca.pem"), password="secret"
        )
        wait_until(lambda: answers(probe), "the server answers")
        probe.close()
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def answers(client: "redis.Redis[Any]") -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


async def round_trip(queue: barq.Queue) -> None:
    async with queue:
        assert (await (await queue.enqueue("email", 5)).refresh()).data == 5


def certificates(tls: str, options: dict[str, str]) -> dict[str, Any]:
    host, port = tls.split(":")
    return {"host": host, "port": int(port), "ssl": True, "password": "secret", **options}


async def test_the_documented_url_works(tls: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # its ca.pem
    shown = re.search(r'url="(rediss://[^"]+)"', (ROOT / "docs" / "servers.md").read_text())
    assert shown is not None
    url = shown[1].replace("127.0.0.1:6380", tls).replace("app:", ":")
    await round_trip(barq.Queue("q", url=url))


@pytest.mark.parametrize("kind", [redis.Redis, redis.asyncio.Redis])
async def test_a_client_with_tls_lends_its_certificates(tls: str, tmp_path: Path, kind: Any) -> None:
    client = kind(**certificates(tls, {"ssl_ca_certs": str(tmp_path / "ca.pem")}))
    await round_trip(barq.Queue("q", client=client))
    await client.aclose() if kind is redis.asyncio.Redis else client.close()


async def test_a_certificate_of_somebody_else_is_not_trusted(tls: str, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    async with barq.Queue("q", url=f"rediss://:secret@{tls}?ssl_ca_certs={tmp_path}/other.pem", timeout=1) as queue:
        with pytest.raises(barq.ServerUnreachable, match="certificate verify failed"):
            await queue.ping()
