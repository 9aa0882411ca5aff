"""How `barq cli` splits a line, which lines it keeps out of its history, and how it writes answers of each kind."""

import pytest

from barq.cli.client.docs import ask_docs, hint
from barq.cli.client.form import formatted, raw
from barq.cli.client.session import Session
from barq.cli.client.words import BadQuotes, has_secret, split
from barq.store.resp import Failure, Map, Push, Reader, Value, encoded
from tests.support import Server


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", []),
        (b" \t\r\n", []),
        (b"get  a ", [b"get", b"a"]),
        (b'set k "a b"', [b"set", b"k", b"a b"]),
        (b"set k 'a b'", [b"set", b"k", b"a b"]),
        (b"\"\" ''", [b"", b""]),
        (rb'"\x41\xfF\xzz\n\r\t\b\a\\\"\q"', [b'A\xffxzz\n\r\t\b\a\\"q']),
        (rb"'it\'s \n \x41 \\ '", [rb"it's \n \x41 \\ "]),
        (rb"a\n", [rb"a\n"]),
        (b'a"b c"', [b"ab c"]),
        (b'"line\nbreak"', [b"line\nbreak"]),
        (b"\xff\x00", [b"\xff\x00"]),
    ],
)
def test_a_line_is_split_as_redis_cli_does(line: bytes, words: list[bytes]) -> None:
    assert split(line) == words


@pytest.mark.parametrize("line", [b'get "a', b"get 'a", b'"a"b', b"'a'\"b\"", rb'"a\"', rb"'a\'", b'a "b" "'])
def test_a_quote_that_is_not_closed_is_refused(line: bytes) -> None:
    with pytest.raises(BadQuotes, match=r"^Invalid argument\(s\): "):
        split(line)


@pytest.mark.parametrize(
    "line",
    [
        "auth pw",
        "  AUTH user pw",
        "Auth",
        '"auth" pw',
        'auth "half',
        "hello 3 auth user pw",
        "HELLO 2 SETNAME me AUTH user pw",
        "acl setuser ann on >pw",
        "config set requirepass pw",
        "CONFIG  SET maxmemory 1 masterauth pw",
        "config set tls-key-file-pass pw",
        "migrate host 6379 k 0 10 AUTH pw",
        "migrate host 6379 k 0 10 auth2 user pw",
        "sentinel set mymaster auth-pass pw",
        "ping\nauth pw",
    ],
)
def test_a_line_with_a_password_is_recognized(line: str) -> None:
    assert has_secret(line)


@pytest.mark.parametrize(
    "line", ["get auth", "set authors 1", "hello 3", "config get requirepass", "acl list", "author"]
)
def test_other_lines_are_kept(line: str) -> None:
    assert not has_secret(line)


KINDS: list[tuple[bytes, str, bytes]] = [
    (b"+OK\r\n", "OK", b"OK"),
    (b"-ERR no\r\n", "(error) ERR no", b"ERR no"),
    (b"!6\r\nERR no\r\n", "(error) ERR no", b"ERR no"),
    (b":-7\r\n", "(integer) -7", b"-7"),
    (b"$0\r\n\r\n", '""', b""),
    (b"$3\r\na\r\n\r\n", '"a\\r\\n"', b"a\r\n"),
    (b"$-1\r\n", "(nil)", b""),
    (b"*-1\r\n", "(nil)", b""),
    (b"_\r\n", "(nil)", b""),
    (b"#t\r\n", "(true)", b"(true)"),
    (b"#f\r\n", "(false)", b"(false)"),
    (b",1.5\r\n", "(double) 1.5", b"1.5"),
    (b",inf\r\n", "(double) inf", b"inf"),
    (b"(123456789012345678901\r\n", "123456789012345678901", b"123456789012345678901"),
    (b"=8\r\ntxt:a\nb\x1b\r\n", "a\nb?", b"a\nb\x1b"),
    (b"*0\r\n", "(empty array)", b""),
    (b"~0\r\n", "(empty set)", b""),
    (b"%0\r\n", "(empty hash)", b""),
    (b"~2\r\n:1\r\n:2\r\n", "1~ (integer) 1\n2~ (integer) 2", b"1\n2"),
    (b"%1\r\n+k\r\n:2\r\n", "1# k => (integer) 2", b"k 2"),
    (
        b"%1\r\n+k\r\n%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n",
        "1# k => \n   1# a => (integer) 1\n   2# b => (integer) 2",
        b"k a 1\nb 2",
    ),
    (b">2\r\n+message\r\n$1\r\na\r\n", '1) message\n2) "a"', b"message\na"),
    (b"|1\r\n+ttl\r\n:3\r\n+OK\r\n", "OK", b"OK"),
    (
        b"*3\r\n:1\r\n*2\r\n*1\r\n$1\r\nx\r\n$-1\r\n-ERR no\r\n",
        '1) (integer) 1\n2) 1) 1) "x"\n   2) (nil)\n3) (error) ERR no',
        b"1\nx\n\nERR no",
    ),
    (b"*10\r\n" + b":1\r\n" * 10, "\n".join(f"{n:2}) (integer) 1" for n in range(1, 11)), b"\n".join([b"1"] * 10)),
    (b"-ERR \x1b[31m\r\n", "(error) ERR ?[31m", b"ERR \x1b[31m"),
]


@pytest.mark.parametrize(("sent", "people", "program"), KINDS, ids=lambda value: repr(value)[:20])
def test_each_kind_of_answer_is_read_and_written(sent: bytes, people: str, program: bytes) -> None:
    for size in (1, 7, len(sent)):
        value = read(sent, size)
        assert formatted(value).decode() == people
        assert raw(value) == program


def test_answers_that_follow_each_other_are_told_apart() -> None:
    sent = b"".join(sent for sent, _, _ in KINDS)
    pieces = iter([sent[at : at + 5] for at in range(0, len(sent), 5)])
    reader = Reader(lambda: next(pieces, b""))
    for _, people, _ in KINDS:
        assert formatted(reader.read()).decode() == people
    with pytest.raises(ConnectionResetError):
        reader.read()


def read(sent: bytes, size: int) -> Value:
    pieces = iter([sent[at : at + size] for at in range(0, len(sent), size)])
    return Reader(lambda: next(pieces, b"")).read()


@pytest.mark.parametrize(
    "sent", [b"HTTP/1.1 200 OK\r\n", b"\r\n", b":x\r\n", b"$x\r\n", b"*1\r\n?\r\n", b"*1\r\n" * 101]
)
def test_what_is_no_answer_is_refused(sent: bytes) -> None:
    with pytest.raises(ConnectionError):
        read(sent, len(sent))


def test_a_command_is_sent_with_the_lengths_of_its_words() -> None:
    assert encoded(b"GET", b"", b"\xff\r\n") == b"*3\r\n$3\r\nGET\r\n$0\r\n\r\n$3\r\n\xff\r\n\r\n"


# ---- hints


def test_the_server_tells_the_arguments_of_its_commands(server: Server) -> None:
    session = Session(server.url)
    session.connect()
    docs = ask_docs(session)
    assert docs is not None
    expected = {
        "get": "",
        "get ": "key",
        "GET k": "",
        "mset ": "key value [key value ...]",
        "hset h ": "field value [field value ...]",
        "hset h f": "value [field value ...]",
        "client kill ": docs["CLIENT"].subcommands["KILL"].syntax[0],
        "client  setname x": "",
        "expire k ": "seconds [NX | XX | GT | LT]",
        "expire k 1 ": "[NX | XX | GT | LT]",
        "expire k 1 nx ": "[NX | XX | GT | LT]",
        "bitop ": docs["BITOP"].syntax[0] + " destkey key [key ...]",
        "nope ": "",
        "": "",
    }
    assert {line: hint(docs, line) for line in expected} == expected
    assert docs["GET"].summary
    list(session.run([b"hello", b"3"]))
    assert ask_docs(session) == docs
    session.close()


def test_who_may_not_ask_gets_no_hints_and_who_has_to_sign_in_first_gets_them_later(own_server: Server) -> None:
    admin = Session(own_server.url)
    list(admin.run(b"acl setuser weak on >pw +ping".split()))
    weak = Session(own_server.url.replace("//", "//weak:pw@"))
    weak.connect()
    assert ask_docs(weak) == {}
    list(admin.run(b"config set requirepass pw".split()))
    late = Session(own_server.url)
    late.connect()
    assert ask_docs(late) is None
    list(late.run(b"auth pw".split()))
    assert ask_docs(late)
    for session in (admin, weak, late):
        session.close()


def test_values_of_the_same_text_are_not_the_same() -> None:
    assert Failure(b"x") != b"x"
    assert Push([]) != []
    assert Map([]) != []
