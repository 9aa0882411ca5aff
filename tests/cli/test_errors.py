"""What a user does wrong, and servers that can't be used: one clear line, its exit code, and never a traceback."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.cli.support import Cli
from tests.support import Server, free_port, wait_until

# ---- wrong input: exit 2


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["enqueue", "email", "{x"], "'{x' is not JSON"),
        (["enqueue", "email", "hello"], "'hello' is not JSON"),
        (["enqueue", "email", "--priority", "urgent"], "priority must be one of low, normal"),
        (["enqueue", "email", "--attempts", "0"], "0 is not in the range"),
        (["enqueue", "email", "--attempts", "many"], "'many' is not a valid integer"),
        (["enqueue", "email", "--delay", "nan"], "delay must be"),
        (["enqueue", "email", "--timeout", "5"], "--timeout is how long to --wait"),
        (["enqueue", ""], "type of a job must have"),
        (["enqueue"], "Missing argument 'TYPE'"),
        (["enqueue", "email", "--frob"], "No such option"),
        (["enqueue", "email", "9007199254740993"], "2^53"),
        (["ls", "state:frobbing"], "frobbing"),
        (["ls", "state:failed age>1y"], "got '>1y' (at character 14 of the query)"),
        (["retry", "--where", 'type:email "open'], "is not closed (at character 12 of the query)"),
        (["ls", "--limit", "0"], "limit must be from 1 to 1000"),
        (["ls", "--after", "x"], "after must be the `next` of a page"),
        (["show", "x"], "'x' is not a valid integer"),
        (["retry"], "takes ids of jobs, or --where QUERY"),
        (["cancel", "0"], "0 is not in the range"),
        (["events", "--after", "x"], "after must be the position of an event"),
        (["pause", "email", "--reason", "a\nb"], "reason must have no control characters"),
        (["info", "--queue", "{x}"], "name of a queue must have no braces"),
        (["info", "--url", "http://x"], "url must begin with one of"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_input_is_exit_2(cli: Cli, words: list[str], complaint: str) -> None:
    done = cli(*words, "--json")
    assert done.code == 2, done
    assert complaint in done.err
    assert done.json["ok"] is False
    assert complaint in done.json["error"]


def test_without_json_nothing_is_on_stdout(cli: Cli) -> None:
    assert cli("enqueue", "email", "{x").out == ""
    done = cli("ls", "--limit", "0")
    assert (done.out, done.complaint) == ("", "limit must be from 1 to 1000, got 0")


def test_wrong_input_is_told_before_the_server_is_asked(cli: Cli) -> None:
    for arguments in (
        ["enqueue", "email", "{x"],
        ["enqueue", "email", "--priority", "urgent"],
        ["ls", "state:frobbing"],
        *([verb] for verb in ("retry", "cancel", "remove", "promote")),
        ["retry", "1", "--where", "state:failed"],
        ["remove", "1", "--dry-run"],
    ):
        done = cli(*arguments, "--url", "redis://127.0.0.1:1")
        assert (done.code, "no server" in done.err) == (2, False), (arguments, done)


def test_malformed_json_on_stdin_is_exit_2(cli: Cli) -> None:
    done = cli("enqueue", "email", "-", stdin="{")
    assert done.code == 2
    assert "stdin is not JSON" in done.err


@pytest.mark.parametrize("words", [["show", "x"], ["retry", "x"], ["wait", "1", "x"], ["explain", "0"]])
def test_an_id_is_a_whole_number(cli: Cli, words: list[str]) -> None:
    done = cli(*words)
    assert done.code == 2
    assert (
        f"{words[-1]!r} is not a valid integer, as ids of jobs are" in done.err
        or "0 is not in the range x>=1" in done.err
    )


def test_a_state_with_a_slip_is_a_word_to_search_for(cli: Cli, server: Server) -> None:
    done = cli("ls", "faild", BARQ_URL=server.url)
    assert (done.code, done.out) == (0, "")
    assert done.complaint == "no jobs match faild; did you mean the state failed?"


# ---- servers that can't be used

COMMANDS = [["info"], ["enqueue", "email"], ["events"]]


def check(cli: Cli, url: str, *, code: int, complaint: str) -> None:
    for words in COMMANDS:
        done = cli(*words, BARQ_URL=url)
        assert (done.code, done.out) == (code, ""), done
        assert complaint in done.complaint
    done = cli("ls", "--json", BARQ_URL=url)
    assert (done.code, done.json["ok"]) == (code, False)
    assert complaint in done.json["error"]


def check_worker(cli: Cli, url: str, *, complaint: str) -> None:
    done = cli("worker", "app", BARQ_URL=url)
    assert (done.code, done.out) == (1, ""), done
    assert complaint in done.err
    assert "Traceback" not in done.err


def test_nobody_listens(cli: Cli) -> None:
    url = f"redis://127.0.0.1:{free_port()}"
    check(cli, url, code=69, complaint=f"no server at {url} (Connection refused)")


def test_an_unknown_host(cli: Cli) -> None:
    done = cli("info", BARQ_URL="redis://no-such-host.invalid:6379")
    assert (done.code, done.out) == (69, "")
    assert "no-such-host.invalid" in done.complaint


def test_a_server_that_evicts(cli: Cli, app: Path, tmp_path: Path) -> None:
    assert app.exists()
    server = Server(tmp_path, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru").start()
    try:
        check(cli, server.url, code=1, complaint="maxmemory-policy allkeys-lru")
        check_worker(cli, server.url, complaint="maxmemory-policy allkeys-lru")
    finally:
        server.stop()


def test_a_replica(cli: Cli, own_server: Server, server: Server, app: Path) -> None:
    assert app.exists()
    with redis.Redis(port=own_server.port) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", server.port)
        wait_until(lambda: client.info("replication")["role"] == "slave", "it is a replica")  # type: ignore[index]
    check(cli, own_server.url, code=1, complaint="is a read-only replica")
    check_worker(cli, own_server.url, complaint="is a read-only replica")


def test_a_wrong_password(cli: Cli, app: Path, tmp_path: Path) -> None:
    assert app.exists()
    server = Server(tmp_path, "--requirepass", "s3cret").start()
    try:
        check(cli, server.url, code=1, complaint="refused the user or password")
        wrong = server.url.replace("//", "//:wr0ng@")
        check(cli, wrong, code=1, complaint="refused the user or password")
        check_worker(cli, wrong, complaint="refused the user or password")
        for done in (cli("info", BARQ_URL=wrong), cli("info", "--url", wrong), cli("worker", "app", BARQ_URL=wrong)):
            assert "wr0ng" not in done.err
        assert cli("info", BARQ_URL=server.url.replace("//", "//:s3cret@")).code == 0
    finally:
        server.stop()


def test_a_user_without_the_right(cli: Cli, own_server: Server) -> None:
    with redis.Redis(port=own_server.port) as client:
        client.execute_command("ACL", "SETUSER", "weak", "on", ">pw", "~*", "+@connection", "+info")
    url = own_server.url.replace("//", "//weak:pw@")
    check(cli, url, code=1, complaint="no permissions")


@pytest.fixture
def old_server() -> Iterator[str]:
    """Answers as a Redis 5 would."""
    info = b"redis_version:5.0.7\r\nrole:master\r\n"
    answers = {b"INFO": b"$%d\r\n%s\r\n" % (len(info), info), b"CLIENT": b":1\r\n"}

    def serve(connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            while head := lines.readline():
                words = [lines.read(int(lines.readline()[1:]) + 2)[:-2] for _ in range(int(head[1:]))]
                connection.sendall(answers.get(words[0].upper(), b"-ERR unknown command\r\n"))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def test_a_server_that_is_too_old(cli: Cli, old_server: str, app: Path) -> None:
    assert app.exists()
    check(cli, old_server, code=1, complaint="is redis 5.0.7: barq needs Redis 6.2 or Valkey 7.2")
    check_worker(cli, old_server, complaint="is redis 5.0.7")


def test_something_that_is_no_redis(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        done = cli("info", BARQ_URL=f"redis://127.0.0.1:{listener.getsockname()[1]}")
    assert (done.code, done.out) == (69, "")
    assert done.complaint.startswith("no server at redis://")
