"""`barq cli` at a terminal: what a person types and sees."""

import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest
import redis

from tests.cli.support import BARQ
from tests.cli.terminal import CTRL_C, CTRL_D, ENTER, TAB, UP, Terminal, terminal
from tests.support import Server, wait_until

Open = Callable[..., AbstractContextManager[Terminal]]


@pytest.fixture
def open_cli(own_server: Server, tmp_path: Path) -> Open:
    def open_it(*words: str, columns: int = 100, **env: str) -> AbstractContextManager[Terminal]:
        env = {"BARQ_URL": own_server.url, "XDG_STATE_HOME": str(tmp_path / "state"), **env}
        return terminal([*BARQ, "cli", *words], tmp_path, columns=columns, **env)

    return open_it


@pytest.fixture
def prompt(own_server: Server) -> str:
    return f"127.0.0.1:{own_server.port}>"


@pytest.fixture
def screen(open_cli: Open, prompt: str) -> Iterator[Terminal]:
    with open_cli() as opened:
        opened.shows(prompt)
        yield opened


def history_file(folder: Path) -> Path:
    return folder / "state" / "barq" / "cli_history"


# ---- commands and answers


def test_the_prompt_names_the_server_and_answers_look_as_in_redis_cli(screen: Terminal, prompt: str) -> None:
    dialogue = [
        ("set Holberton School", ["OK"]),
        ("get Holberton", ['"School"']),
        ("incr n", ["(integer) 1"]),
        ("get nope", ["(nil)"]),
        ("get", ["(error) ERR wrong number of arguments for 'get' command"]),
        ('rpush list "a b" "\\xff" é', ["(integer) 3"]),
        ("lrange list 0 -1", ['1) "a b"', '2) "\\xff"', '3) "\\xc3\\xa9"']),
        ("keys nope*", ["(empty array)"]),
        ('get "a', ["Invalid argument(s): a quote is not closed, or has no space behind it"]),
        ("", []),
        ("   ", []),
    ]
    for typed, answer in dialogue:
        screen.type(typed + ENTER)
        screen.shows(f"{prompt} {typed}".rstrip(), *answer, prompt)


def test_a_single_command_looks_the_same_on_a_terminal(open_cli: Open) -> None:
    with open_cli("set", "Holberton", "School") as screen:
        screen.shows("OK")
        assert screen.end() == 0
    with open_cli("get", "Holberton") as screen:
        screen.shows('"School"')
        assert screen.end() == 0
    with open_cli("nope") as screen:
        screen.shows("(error) ERR unknown command 'nope', with args beginning with:")
        assert screen.end() == 1


def test_raw_shows_bare_values(open_cli: Open, prompt: str) -> None:
    with open_cli("--raw") as screen:
        screen.shows(prompt)
        screen.type(f"echo School{ENTER}")
        screen.shows(f"{prompt} echo School", "School", prompt)


def test_the_prompt_shows_the_database_and_a_transaction(screen: Terminal, prompt: str, own_server: Server) -> None:
    host = prompt.removesuffix(">")
    screen.type(f"select 2{ENTER}")
    screen.shows("OK", f"{host}[2]>")
    screen.type(f"multi{ENTER}set k v{ENTER}")
    screen.shows(f"{host}[2](TX)> set k v", "QUEUED", f"{host}[2](TX)>")
    screen.type(f"subscribe news{ENTER}")
    screen.shows(
        "(error) ERR barq cli: this can't be followed inside a transaction: EXEC or DISCARD it first", f"{host}[2](TX)>"
    )
    screen.type(f"select 3{ENTER}exec{ENTER}")
    screen.shows("1) OK", "2) OK", f"{host}[3]>")
    with redis.Redis(port=own_server.port, db=2) as client:
        assert client.get("k") == b"v"
    screen.type(f"multi{ENTER}select 0{ENTER}discard{ENTER}")
    screen.shows(f"{host}[3](TX)> discard", "OK", f"{host}[3]>")
    screen.type(f"reset{ENTER}")
    screen.shows("RESET", prompt)


# ---- leaving


@pytest.mark.parametrize("farewell", [f"exit{ENTER}", f"QUIT{ENTER}", CTRL_D])
def test_it_is_left_with_exit_quit_or_ctrl_d(screen: Terminal, farewell: str) -> None:
    screen.type(farewell)
    assert screen.end() == 0


def test_ctrl_c_drops_the_line_and_stays(screen: Terminal, prompt: str, own_server: Server) -> None:
    screen.type("set dropped 1")
    screen.holds(f"{prompt} set dropped 1 [NX | XX")
    screen.type(CTRL_C)
    screen.shows(f"{prompt} set dropped 1", prompt)
    screen.type(f"exists dropped{ENTER}")
    screen.shows(f"{prompt} exists dropped", "(integer) 0", prompt)


# ---- answers that take long


def blocked(server: Server) -> bool:
    with redis.Redis(port=server.port) as client:
        return bool(client.info("clients")["blocked_clients"])  # type: ignore[index]


def test_ctrl_c_ends_the_wait_for_an_answer(screen: Terminal, prompt: str, own_server: Server) -> None:
    screen.type(f"select 1{ENTER}blpop nothing 0{ENTER}")
    wait_until(lambda: blocked(own_server), "it waits")
    screen.type(CTRL_C)
    inside = prompt.replace(">", "[1]>")
    screen.shows(f"{inside} blpop nothing 0", "^C", inside)
    assert not blocked(own_server)
    screen.type(f"ping{ENTER}")
    screen.shows("PONG", inside)


@pytest.mark.parametrize("verb", ["subscribe", "psubscribe"])
def test_messages_are_shown_until_ctrl_c(screen: Terminal, prompt: str, own_server: Server, verb: str) -> None:
    screen.type(f"{verb} news{ENTER}")
    screen.shows("Reading messages... (press Ctrl-C to quit)", f'1) "{verb}"', '2) "news"', "3) (integer) 1")
    with redis.Redis(port=own_server.port) as client:
        client.publish("news", "hello")
    screen.shows('2) "news"', *(['3) "hello"'] if verb == "subscribe" else ['3) "news"', '4) "hello"']))
    screen.type(CTRL_C)
    screen.shows("^C", prompt)
    screen.type(f"pubsub numsub news{ENTER}")
    screen.shows('1) "news"', "2) (integer) 0", prompt)


def test_monitor_is_shown_until_ctrl_c(screen: Terminal, prompt: str, own_server: Server) -> None:
    screen.type(f"monitor{ENTER}")
    screen.shows("Reading messages... (press Ctrl-C to quit)", "OK")
    with redis.Redis(port=own_server.port) as client:
        client.set("seen", "yes")
    screen.holds('"SET" "seen" "yes"')
    screen.type(CTRL_C)
    screen.shows("^C", prompt)


def test_ctrl_c_ends_the_wait_for_a_server_that_hangs(open_cli: Open, prompt: str, own_server: Server) -> None:
    assert own_server.process is not None
    own_server.process.send_signal(signal.SIGSTOP)
    with open_cli() as screen:
        wait_until(psutil.Process(screen.process.pid).net_connections, "it has connected, and asks for the commands")
        screen.type(CTRL_C)
        screen.shows("^C", "not connected>")
        own_server.process.send_signal(signal.SIGCONT)
        screen.type(f"echo hello{ENTER}")
        screen.shows('"hello"', prompt)


# ---- losing the server


def test_it_connects_again_with_the_next_command(screen: Terminal, prompt: str, own_server: Server) -> None:
    screen.type(f"set Holberton School{ENTER}")
    screen.shows("OK", prompt)
    own_server.kill()
    screen.type(f"get Holberton{ENTER}")
    screen.shows("not connected>")
    screen.holds(f"barq: no server at {own_server.url} (Connection refused); `barq server` starts one,")
    screen.type(f"get Holberton{ENTER}")
    wait_until(lambda: sum("no server at" in line for line in screen.lines) == 2, "it says so again")
    own_server.start()
    screen.type(f"get Holberton{ENTER}")
    screen.shows("not connected> get Holberton", '"School"', prompt)


def test_a_restart_between_two_commands_goes_unnoticed(screen: Terminal, prompt: str, own_server: Server) -> None:
    screen.type(f"select 1{ENTER}set a 1{ENTER}")
    inside = prompt.replace(">", "[1]>")
    screen.shows("OK", inside)
    own_server.kill()
    own_server.start()
    screen.type(f"get a{ENTER}")
    screen.shows(f"{inside} get a", '"1"', inside)


def test_a_transaction_that_was_lost_is_not_continued(screen: Terminal, prompt: str, own_server: Server) -> None:
    screen.type(f"multi{ENTER}incr a{ENTER}")
    screen.shows("QUEUED", prompt.replace(">", "(TX)>"))
    own_server.kill()
    own_server.start()
    screen.type(f"incr b{ENTER}")
    screen.shows(
        "barq: the connection was lost, and the transaction with it: nothing was run, begin again", "not connected>"
    )
    screen.type(f"mget a b{ENTER}")
    screen.shows("not connected> mget a b", "1) (nil)", "2) (nil)", prompt)


def test_it_starts_without_a_server(open_cli: Open, prompt: str, own_server: Server) -> None:
    own_server.stop()
    with open_cli() as screen:
        screen.shows("not connected>")
        screen.holds("barq: no server at redis://127.0.0.1:")
        own_server.start()
        screen.type(f"ping{ENTER}")
        screen.shows("not connected> ping", "PONG", prompt)
        screen.type(f"hgeta{TAB}")  # completion is there from now on
        screen.shows(f"{prompt} hgetall")


def test_shutdown_leaves_one_not_connected(screen: Terminal, prompt: str) -> None:
    screen.type(f"shutdown nosave{ENTER}")
    screen.shows(f"{prompt} shutdown nosave", "not connected>")


def test_who_has_signed_in_stays_so_after_a_restart(open_cli: Open, tmp_path: Path) -> None:
    server = Server(tmp_path, "--requirepass", "s3cret").start()
    prompt = f"127.0.0.1:{server.port}>"
    try:
        with open_cli(BARQ_URL=server.url) as screen:
            screen.shows(prompt)
            screen.type(f"get a{ENTER}")
            screen.shows("(error) NOAUTH Authentication required.", prompt)
            screen.type(f"auth s3cret{ENTER}set a 1{ENTER}")
            screen.shows(f"{prompt} set a 1", "OK", prompt)
            server.kill()
            server.start()
            screen.type(f"get a{ENTER}")
            screen.shows('"1"', prompt)
    finally:
        server.stop()


# ---- history


def test_history_is_kept_for_the_next_time_without_passwords(open_cli: Open, prompt: str, tmp_path: Path) -> None:
    with open_cli() as screen:
        screen.shows(prompt)
        screen.type(f"set a first{ENTER}")
        screen.shows("OK", prompt)
        screen.type(f"auth default s3cret{ENTER}")
        screen.shows(f"{prompt} auth default s3cret", "OK", prompt)
        screen.type(f"set b last{ENTER}")
        screen.shows("OK", prompt)
        screen.recalls(UP, f"{prompt} set b last [")
        screen.recalls(UP, f"{prompt} set a first")  # AUTH is left out at once
        screen.type(CTRL_C + CTRL_D)
        assert screen.end() == 0
    kept = history_file(tmp_path)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert [line for line in kept.read_text().splitlines() if line.startswith("+")] == ["+set a first", "+set b last"]
    kept.chmod(0o644)
    with open_cli() as screen:
        screen.shows(prompt)
        screen.recalls(UP, f"{prompt} set b last")
        screen.recalls(UP, f"{prompt} set a first")
        screen.type(ENTER)
        screen.shows(f"{prompt} set a first", "OK", prompt)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_history_that_has_grown_large_loses_its_older_half(open_cli: Open, prompt: str, tmp_path: Path) -> None:
    kept = history_file(tmp_path)
    kept.parent.mkdir(parents=True)
    kept.write_text("".join(f"\n# 2026-01-01 00:00:00\n+echo {number}\n" for number in range(20_000)))
    before = kept.stat().st_size
    with open_cli() as screen:
        screen.shows(prompt)
        screen.recalls(UP, f"{prompt} echo 19999")
        screen.type(ENTER)
        screen.shows(f"{prompt} echo 19999", '"19999"', prompt)
    assert before > 500_000
    assert kept.stat().st_size < before * 0.51
    assert "+echo 0\n" not in kept.read_text()


def test_a_folder_that_cant_be_written_is_no_hindrance(open_cli: Open, prompt: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with open_cli(XDG_STATE_HOME=str(tmp_path / "file")) as screen:
        screen.shows(prompt)
        screen.type(f"ping{ENTER}")
        screen.shows("PONG", prompt)
        screen.recalls(UP, f"{prompt} ping")
        screen.type(ENTER)
        screen.shows(f"{prompt} ping", "PONG", f"{prompt} ping", "PONG", prompt)


# ---- completion and hints


def test_tab_completes_commands_and_subcommands(screen: Terminal, prompt: str) -> None:
    screen.type(f"hgeta{TAB}")
    screen.shows(f"{prompt} hgetall")
    screen.type(CTRL_C)
    screen.shows(prompt)
    screen.type(f"HGETA{TAB}")
    screen.shows(f"{prompt} HGETALL")
    screen.type(CTRL_C)
    screen.shows(prompt)
    screen.type(f"client getn{TAB}{ENTER}")
    screen.shows(f"{prompt} client getname", "(nil)", prompt)
    screen.type(f"HGet{TAB}")
    screen.holds(f"{prompt} HGet")
    screen.type(f"{TAB}{TAB}")
    screen.holds(f"{prompt} HGetall")
    screen.type(CTRL_C)
    screen.type(f"hse{TAB}")
    screen.holds("hset ")
    screen.holds("hsetnx ")
    screen.holds("Creates or modifies the value of a field in a hash.")


def test_arguments_are_hinted_at_and_the_hint_is_not_a_part_of_the_line(screen: Terminal, prompt: str) -> None:
    screen.type("hset ")
    screen.shows(f"{prompt} hset key field value [field value ...]")
    screen.type("h f")
    screen.shows(f"{prompt} hset h f value [field value ...]")
    screen.type(f" v{ENTER}")
    screen.shows(f"{prompt} hset h f v", "(integer) 1", prompt)


def test_a_hint_is_cut_where_the_terminal_ends(open_cli: Open, prompt: str) -> None:
    with open_cli(columns=40) as screen:
        screen.shows(prompt)
        screen.type("set ")
        wait_until(lambda: screen.lines[-1].endswith("…"), "the hint is cut")
        assert len(screen.lines) == 1
        assert screen.lines[0].startswith(f"{prompt} set key value [")


def test_help_tells_of_a_command(screen: Terminal, prompt: str) -> None:
    screen.type(f"help get{ENTER}")
    screen.shows("GET key", "  Returns the string value of a key.", "  since 1.0.0", "  O(1)", prompt)
    screen.type(f"help client id{ENTER}")
    screen.shows("CLIENT ID", "  Returns the unique client ID of the connection.", "  since 5.0.0", "  O(1)", prompt)
    screen.type(f"help nope{ENTER}")
    screen.shows("the server knows no command 'nope'", prompt)
    screen.type(f"help{ENTER}")
    screen.shows("help COMMAND tells what a command is for.", prompt)


def test_lines_that_are_pasted_are_run_one_by_one(screen: Terminal, prompt: str) -> None:
    screen.type(f"\x1b[200~set a 1\nincr a\n\x1b[201~{ENTER}")
    screen.shows("OK", "(integer) 2", prompt)


# ---- without prompt_toolkit


def test_without_prompt_toolkit_it_says_what_to_install(open_cli: Open, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "prompt_toolkit.py").write_text("raise ModuleNotFoundError(name='prompt_toolkit')")
    with open_cli(PYTHONPATH=str(hidden), columns=200) as screen:
        hint = "barq: the prompt is made with prompt_toolkit, which is not installed: pip install 'barq[cli]'"
        screen.shows(hint)
        assert screen.lines == [hint]
        assert screen.end() == 1
    with open_cli("ping", PYTHONPATH=str(hidden)) as screen:
        screen.shows("PONG")
        assert screen.end() == 0
