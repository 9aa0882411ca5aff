"""`barq cli` with a command as arguments, and with lines from a pipe."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from barq.store import embedded
from tests.cli.support import BARQ, Cli, environment
from tests.support import Server, free_port, wait_until

# ---- one command


@pytest.fixture
def shown(own_server: Server, cli: Cli) -> Cli:
    """Against an empty server."""
    cli.env = {"BARQ_URL": own_server.url}
    return cli


def test_each_command_of_the_brief_answers_as_in_redis_cli(shown: Cli) -> None:
    dialogue = [
        ("SET Holberton School", "OK"),
        ("GET Holberton", '"School"'),
        ("GET nope", "(nil)"),
        ("EXISTS Holberton nope", "(integer) 1"),
        ("INCR visits", "(integer) 1"),
        ("INCR visits", "(integer) 2"),
        ("DECR visits", "(integer) 1"),
        ("MSET a 1 b 2", "OK"),
        ("MGET a nope b", '1) "1"\n2) (nil)\n3) "2"'),
        ("DEL a b nope", "(integer) 2"),
        ("KEYS Hol*", '1) "Holberton"'),
        ("KEYS nope*", "(empty array)"),
        ("TTL Holberton", "(integer) -1"),
        ("EXPIRE Holberton 100", "(integer) 1"),
        ("HSET schools Portland 50", "(integer) 1"),
        ("HSET schools Portland 50 Seattle 80", "(integer) 1"),
        ("HGET schools Seattle", '"80"'),
        ("HGETALL schools", '1) "Portland"\n2) "50"\n3) "Seattle"\n4) "80"'),
        ("HEXISTS schools Paris", "(integer) 0"),
        ("HDEL schools Portland", "(integer) 1"),
        ("PUBLISH channel hello", "(integer) 0"),
        ("ZADD z 1.5 a", "(integer) 1"),
        ("ZSCORE z a", '"1.5"'),
    ]
    done = shown("cli", "--no-raw", stdin="".join(f"{command}\n" for command, _ in dialogue))
    assert (done.code, done.out, done.err) == (0, "".join(f"{answer}\n" for _, answer in dialogue), "")
    alone = [("HGETALL schools", '1) "Seattle"\n2) "80"'), ("INCR visits", "(integer) 2"), ("GET nope", "(nil)")]
    for command, answer in [("GET Holberton", '"School"'), *alone]:
        done = shown("cli", "--no-raw", *command.split())
        assert (done.code, done.out, done.err) == (0, f"{answer}\n", ""), command


def test_a_program_that_reads_the_answer_gets_the_bare_value(shown: Cli) -> None:
    assert shown("cli", "set", "Holberton", "School").out == "OK\n"
    assert shown("cli", "get", "Holberton").out == "School\n"
    assert shown("cli", "get", "nope").out == "\n"
    assert shown("cli", "incr", "n").out == "1\n"
    assert shown("cli", "mget", "Holberton", "nope", "n").out == "School\n\n1\n"


def test_words_of_the_command_line_reach_the_server_as_they_are(shown: Cli) -> None:
    shown("cli", "set", "a key", '"quoted" \\x41', "--json")
    assert shown("cli", "set", "a key", '"quoted" \\x41').out == "OK\n"
    assert shown("cli", "get", "a key").out == '"quoted" \\x41\n'
    assert shown("cli", "set", "--raw", "-1", "--help").err == "ERR syntax error\n"
    assert shown("cli", "--", "echo", "--url").out == "--url\n"
    assert shown("cli", "echo", "").out == "\n"


def test_bytes_come_through_unchanged_raw_and_escaped_for_people(shown: Cli) -> None:
    value = b'\x00\x1b[31m\xff\xc3\xa9"\\\r\n\t\x07\x08'
    command = [*BARQ, "cli", "get", "k"]
    with redis.Redis.from_url(shown.env["BARQ_URL"]) as client:
        client.set("k", value)
    raw = subprocess.run(command, env=environment(**shown.env), capture_output=True, check=True, timeout=60)
    assert raw.stdout == value + b"\n"
    assert shown("cli", "--no-raw", "get", "k").out == '"\\x00\\x1b[31m\\xff\\xc3\\xa9\\"\\\\\\r\\n\\t\\a\\b"\n'
    given = subprocess.run(
        [*BARQ, "cli", "set", b"k", b"\xff\xfe"],
        env=environment(**shown.env),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert given.stdout == b"OK\n"
    assert shown("cli", "--no-raw", "get", "k").out == '"\\xff\\xfe"\n'


def test_text_for_people_is_shown_without_quotes(shown: Cli) -> None:
    assert shown("cli", "--no-raw", "info", "server").out.startswith("# Server\n")
    assert shown("cli", "--no-raw", "client", "list").out.startswith("id=")


def test_an_error_answer_is_on_stderr_and_exit_1(shown: Cli) -> None:
    done = shown("cli", "get")
    assert (done.code, done.out, done.err) == (1, "", "ERR wrong number of arguments for 'get' command\n")
    done = shown("cli", "--no-raw", "nope")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("(error) ERR unknown command 'nope'")


@pytest.mark.parametrize("command", ["client reply off", "client reply skip", "sync", "PSYNC ? -1"])
def test_commands_after_which_no_answer_can_be_told_are_refused(cli: Cli, command: str) -> None:
    done = cli("cli", "--no-raw", *command.split())
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("(error) ERR barq cli: it ")


def test_the_database_of_the_url_is_used(shown: Cli) -> None:
    other = {"BARQ_URL": shown.env["BARQ_URL"] + "/3"}
    shown("cli", "set", "k", "three", **other)
    assert (shown("cli", "get", "k").out, shown("cli", "get", "k", **other).out) == ("\n", "three\n")
    assert shown("cli", "--url", other["BARQ_URL"], "get", "k").out == "three\n"
    done = shown("cli", "get", "k", BARQ_URL=shown.env["BARQ_URL"] + "/99")
    assert (done.code, done.out) == (1, "")
    assert "DB index is out of range" in done.complaint


def test_shutdown_is_answered_by_the_server_going(shown: Cli, own_server: Server) -> None:
    done = shown("cli", "shutdown", "nosave")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert own_server.process is not None
    own_server.process.wait(10)


def test_help_tells_how_to_use_it(cli: Cli) -> None:
    done = cli("cli", "--help")
    assert done.code == 0
    assert "barq cli set Holberton School\n" in done.out


# ---- no server, or one that refuses


def test_nobody_listens(cli: Cli) -> None:
    url = f"redis://ann:s3cret@127.0.0.1:{free_port()}"
    for stdin in (None, "get a\nget b\n"):
        done = cli("cli", *(["get", "a"] if stdin is None else []), BARQ_URL=url, stdin=stdin)
        assert (done.code, done.out) == (69, "")
        assert done.complaint.startswith(f"no server at redis://127.0.0.1:{url[-5:].lstrip(':')} (")
        assert "s3cret" not in done.err


@pytest.mark.parametrize("url", ["http://host", "redis://host:port", "redis://[::1", "redis://127.0.0.1/x", "nope"])
def test_a_url_that_is_none_is_exit_2(cli: Cli, url: str) -> None:
    done = cli("cli", "--url", url, "get", "a")
    assert (done.code, done.out) == (2, "")
    assert "can't be used" in done.complaint


def test_a_wrong_password(cli: Cli, tmp_path: Path) -> None:
    server = Server(tmp_path, "--requirepass", "s3cret").start()
    try:
        done = cli("cli", "get", "a", BARQ_URL=server.url)
        assert (done.code, done.err) == (1, "NOAUTH Authentication required.\n")
        done = cli("cli", "get", "a", BARQ_URL=server.url.replace("//", "//:wr0ng@"))
        assert (done.code, done.out) == (1, "")
        assert "refused: WRONGPASS" in done.complaint
        assert "wr0ng" not in done.err
        assert cli("cli", "get", "a", BARQ_URL=server.url.replace("//", "//:s3cret@")).code == 0
        assert cli("cli", BARQ_URL=server.url, stdin="auth s3cret\nset a 1\n").out == "OK\nOK\n"
    finally:
        server.stop()


def test_a_server_that_goes_while_it_is_waited_for(shown: Cli, own_server: Server) -> None:
    with shown.started("cli", "blpop", "nothing", "0") as waiting:
        with redis.Redis.from_url(own_server.url) as client:
            wait_until(lambda: client.info("clients")["blocked_clients"] == 1, "it waits")  # type: ignore[index]
        own_server.kill()
        assert waiting.end() == 69
    assert waiting.err.count(b"\n") == 1
    assert b"ended before the answer was there (" in waiting.err


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$5\r\nab", b"$x\r\n", b"*1\r\n" * 200, b""])
def test_something_that_is_no_redis(cli: Cli, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        done = cli("cli", "get", "a", BARQ_URL=f"redis://127.0.0.1:{listener.getsockname()[1]}")
        thread.join()
    assert (done.code, done.out) == (69, "")
    assert "ended before the answer was there (" in done.complaint


# ---- answers that go on


@pytest.mark.parametrize("verb", ["subscribe", "PSUBSCRIBE"])
def test_subscribe_prints_messages_until_ctrl_c(shown: Cli, own_server: Server, verb: str) -> None:
    with shown.started("cli", "--no-raw", verb, "news", "weather") as listening:
        listening.prints("(integer) 2\n")
        with redis.Redis.from_url(own_server.url) as client:
            assert client.publish("news", "hello\x1b") == 1
        listening.prints('"hello\\x1b"\n')
        assert listening.end(signal.SIGINT) == 130
    last = '1) "message"\n2) "news"\n3) "hello\\x1b"\n'
    if verb == "PSUBSCRIBE":
        last = '1) "pmessage"\n2) "news"\n3) "news"\n4) "hello\\x1b"\n'
    first = f'1) "{verb.lower()}"\n2) "news"\n3) (integer) 1\n1) "{verb.lower()}"\n2) "weather"\n3) (integer) 2\n'
    assert (listening.out.decode(), listening.err) == (first + last, b"")


def test_monitor_prints_commands_until_ctrl_c(shown: Cli, own_server: Server) -> None:
    with shown.started("cli", "monitor") as watching:
        watching.prints("OK\n")
        with redis.Redis.from_url(own_server.url) as client:
            client.set("seen", "yes")
        watching.prints('"SET" "seen" "yes"\n')
        assert watching.end(signal.SIGINT) == 130
    assert watching.err == b""


def test_unsubscribe_has_an_answer_for_each_channel(shown: Cli) -> None:
    done = shown("cli", stdin="unsubscribe a b\nping\n")
    assert (done.code, done.out) == (0, "unsubscribe\na\n0\nunsubscribe\nb\n0\nPONG\n")


# ---- lines from a pipe


def test_lines_of_a_pipe_are_run_one_by_one(shown: Cli) -> None:
    done = shown("cli", stdin='set a "b c"\n\n  get a\r\nincr n\nget a')
    assert (done.code, done.out, done.err) == (0, "OK\nb c\n1\nb c\n", "")
    assert shown("cli", "--no-raw", stdin="get a\n").out == '"b c"\n'


def test_after_an_error_the_other_lines_run_and_the_exit_is_1(shown: Cli) -> None:
    done = shown("cli", stdin='nope\nget "a\nset a 1\n')
    assert (done.code, done.out) == (1, "OK\n")
    assert done.err.splitlines()[1].startswith("barq: Invalid argument(s)")


@pytest.mark.parametrize("farewell", ["exit", "QUIT"])
def test_exit_ends_a_pipe(shown: Cli, farewell: str) -> None:
    done = shown("cli", stdin=f"ping\n{farewell}\nping\n")
    assert (done.code, done.out) == (0, "PONG\n")


def test_each_line_is_answered_before_the_next_is_there(shown: Cli, own_server: Server) -> None:
    with shown.started("cli", stdin=subprocess.PIPE) as running:
        assert running.process.stdin is not None
        for number in range(1, 4):
            running.process.stdin.write(b"incr n\n")
            running.process.stdin.flush()
            running.prints(f"{number}\n")
            if number == 2:  # nothing is under way, so the next line is run on a new connection
                own_server.stop()
                own_server.start()
        running.process.stdin.close()
        assert running.end() == 0


def test_a_transaction_is_not_continued_on_another_connection(shown: Cli, own_server: Server) -> None:
    for begin in ("multi", "watch n"):
        with shown.started("cli", stdin=subprocess.PIPE) as running:
            assert running.process.stdin is not None
            running.process.stdin.write(f"{begin}\n".encode())
            running.process.stdin.flush()
            running.prints("OK\n")
            own_server.stop()
            own_server.start()
            running.process.stdin.write(b"incr n\n")
            running.process.stdin.close()
            assert running.end() == 69
        assert b"and the " in running.err
        assert b"with it: nothing was run" in running.err
    assert shown("cli", "exists", "n").out == "0\n"


def test_answers_of_resp3_keep_their_kinds(shown: Cli) -> None:
    lines = [
        "hello 3",
        "hset h f v",
        "hgetall h",
        "hgetall nope",
        "sadd s a",
        "smembers s",
        "smembers nope",
        "zadd z 1.5 a",
        "zscore z a",
        "get nope",
        "eval 'redis.setresp(3); return {true, {double=0.5}}' 0",
        "info keyspace",
    ]
    done = shown("cli", "--no-raw", stdin="\n".join(lines))
    assert done.out.partition("\n(integer) 1\n")[2].splitlines() == [
        '1# "f" => "v"',
        "(empty hash)",
        "(integer) 1",
        '1~ "a"',
        "(empty set)",
        "(integer) 1",
        "(double) 1.5",
        "(nil)",
        "1) (true)",
        "2) (double) 0.5",
        "# Keyspace",
        "db0:keys=3,expires=0,avg_ttl=0,keys_with_volatile_items=0",
    ]
    assert done.out.startswith('1# "server" => ')


def test_messages_that_come_unasked_are_printed(shown: Cli, own_server: Server) -> None:
    with shown.started("cli", "--no-raw", stdin=subprocess.PIPE) as running:
        assert running.process.stdin is not None
        running.process.stdin.write(b"hello 3\nclient tracking on\nget watched\n")
        running.process.stdin.flush()
        running.prints("(nil)\n")
        with redis.Redis.from_url(own_server.url) as client:
            client.set("watched", "x")
        running.process.stdin.write(b"get watched\n")
        running.process.stdin.close()
        assert running.end() == 0
    assert running.out.endswith(b'1) "invalidate"\n2) 1) "watched"\n"x"\n')


def test_a_reader_that_leaves_early_is_no_error_to_speak_of(shown: Cli) -> None:
    script = f"{' '.join(BARQ)} cli command docs | head -1"
    done = subprocess.run(
        ["sh", "-c", script], env=environment(**shown.env), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


# ---- the bundled server


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "data"
    embedded.stop(tmp_path / "data")


def test_what_was_set_is_there_after_the_server_was_killed(cli: Cli, data: Path) -> None:
    address = cli("server", "--daemon", "--port", 0, "--dir", data, "--json").json
    assert cli("cli", "set", "Holberton", "School", BARQ_URL=address["url"]).out == "OK\n"
    os.kill(address["pid"], signal.SIGKILL)
    wait_until(lambda: cli("ping", BARQ_URL=address["url"]).code == 69, "it is gone")
    assert cli("cli", "get", "Holberton", BARQ_URL=address["url"]).code == 69
    address = cli("server", "--daemon", "--port", 0, "--dir", data, "--json").json
    assert cli("cli", "--no-raw", "get", "Holberton", BARQ_URL=address["url"]).out == '"School"\n'


def test_an_embedded_url_starts_the_server(cli: Cli, data: Path) -> None:
    url = f"embedded:{data}"
    assert cli("cli", "set", "Holberton", "School", BARQ_URL=url).out == "OK\n"
    assert embedded.running(data) is None
    assert cli("cli", "get", "Holberton", BARQ_URL=url).out == "School\n"


# ---- what it needs


def test_it_needs_neither_prompt_toolkit_nor_the_engine(shown: Cli, tmp_path: Path) -> None:
    code = """
import sys
from barq.cli import main
try:
    main(sys.argv[1:], standalone_mode=False)
finally:
    print(sorted({"prompt_toolkit", "redis", "asyncio", "msgspec"} & set(sys.modules)))
"""
    for words, stdin in (["cli", "ping"], ""), (["cli"], "ping\n"):
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            env=environment(**shown.env),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout == "PONG\n[]\n"
