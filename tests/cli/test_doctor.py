"""`barq doctor` against real servers, good ones and bad ones."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from barq.store.talk import Wire
from tests.cli.support import Cli, Done
from tests.support import Server, free_port


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def make(*options: str) -> Server:
        folder = tmp_path / f"server {len(made)}"
        folder.mkdir()
        made.append(Server(folder, *options).start())
        return made[-1]

    yield make
    for server in made:
        server.stop()


def tell(server: Server, *words: str) -> object:
    with Wire.dial("127.0.0.1", server.port, timeout=5) as wire:
        return wire.ask(*words)


def findings(done: Done) -> dict[str, Any]:
    return {found["check"]: found for found in done.json["findings"]}


def test_a_good_server_is_told_in_a_line_for_each_check(cli: Cli, own_server: Server) -> None:
    tell(own_server, "CONFIG", "SET", "maxmemory", "500mb")
    done = cli("doctor", "--url", own_server.url)
    assert (done.code, done.err) == (0, ""), done
    head, _, *lines = done.out.splitlines()
    assert head == f"server at {own_server.url}"
    assert len(lines) == 11
    assert "ok    persistence  append-only file, synced before each answer" in done.out
    assert "bad" not in done.out
    assert tell(own_server, "DBSIZE") == 0, "it leaves nothing behind"


def test_a_server_that_keeps_nothing_is_bad(cli: Cli, make_server: Callable[..., Server]) -> None:
    done = cli("doctor", "--url", make_server("--appendonly", "no").url)
    assert done.code == 1
    assert "bad   persistence  no append-only file" in done.out


@pytest.mark.parametrize(
    ("options", "check"),
    [
        (("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"), "eviction"),
        (("--maxmemory", "1"), "memory"),
        (("--replicaof", f"127.0.0.1 {free_port()}"), "role"),
    ],
)
def test_servers_that_refuse_jobs_are_examined_all_the_same(
    cli: Cli, make_server: Callable[..., Server], options: tuple[str, ...], check: str
) -> None:
    done = cli("doctor", "--json", "--url", make_server(*options).url)
    assert done.code == 1
    assert (done.json["ok"], done.json["worst"]) == (False, "bad")
    assert [name for name, found in findings(done).items() if found["mark"] == "bad"] == [check]


def test_missing_rights_are_named(cli: Cli, own_server: Server) -> None:
    rules = ("on", ">secret", "~*", "&*", "+@all", "-zremrangebyrank", "-xread", "-config")
    tell(own_server, "ACL", "SETUSER", "ada", *rules)
    done = cli("doctor", "--json", "--url", own_server.url.replace("//", "//ada:secret@"))
    assert done.code == 1
    assert findings(done)["permissions"]["says"].startswith("the user may not run ZREMRANGEBYRANK, XREAD:")
    assert "can't be read" in findings(done)["persistence"]["says"]
    tell(own_server, "ACL", "SETUSER", "ada", "+@all", "-config")
    done = cli("doctor", "--json", "--url", own_server.url.replace("//", "//ada:secret@"))
    assert (done.code, findings(done)["permissions"]["mark"]) == (0, "warn")
    tell(own_server, "ACL", "SETUSER", "ada", "+@all", "resetkeys", "~other:*")
    done = cli("doctor", "--json", "--url", own_server.url.replace("//", "//ada:secret@"))
    assert (done.code, findings(done)["permissions"]["mark"]) == (1, "bad")


def test_without_a_server_or_a_right_at_all_it_says_so(cli: Cli, own_server: Server) -> None:
    done = cli("doctor", "--url", f"redis://127.0.0.1:{free_port()}")
    assert done.code == 69
    assert "no server at" in done.complaint
    tell(own_server, "CONFIG", "SET", "requirepass", "secret")
    done = cli("doctor", "--url", own_server.url)
    assert done.code == 1
    assert "refused" in done.complaint
