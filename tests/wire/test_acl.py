"""Rights: with the least ones everything works that a producer, worker, viewer and operator do, and nothing more."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

import barq
from barq import rights
from barq.http import app as application
from barq.protocol.scripts import command_names, script
from barq.store.examine import TRIED, examine
from barq.store.talk import Wire
from tests.http.serving import serving
from tests.support import Server, until
from tests.worker.running import working

As = Callable[[rights.Role], barq.Queue]


def tell(server: Server, *words: str, user: str | None = None) -> object:
    with Wire.dial("127.0.0.1", server.port, timeout=5) as wire:
        if user is not None:
            wire.ask("AUTH", user, "secret")
        return wire.ask(*words)


def refused(server: Server, user: str, *words: str) -> str:
    with pytest.raises(barq.ServerError) as caught:
        tell(server, *words, user=user)
    return str(caught.value)


@pytest.fixture
async def as_role(own_server: Server, name: str) -> AsyncIterator[As]:
    """The same queue as somebody who has the rights of one part."""
    made: list[barq.Queue] = []
    for role in rights.roles():
        tell(own_server, "ACL", "SETUSER", role, "reset", "on", ">secret", *rights.rule(role, name).split())

    def queue_of(role: rights.Role) -> barq.Queue:
        made.append(barq.Queue(name, url=own_server.url.replace("//", f"//{role}:secret@"), timeout=5))
        return made[-1]

    yield queue_of
    for queue in made:
        await queue.close()


def with_handlers(queue: barq.Queue) -> barq.Queue:
    @queue.handler("email", backoff=barq.fixed(0))
    async def send(job: barq.Job) -> str:
        await job.progress(50, 100, {"half": True})
        await job.log("a line")
        await job.once("charge", lambda key: key)
        if job.data == "fail" or (job.data == "again" and job.attempt == 1):
            raise ValueError("no such address")
        if job.data == "park":
            raise barq.UnfitData("nobody to write to")
        if job.data == "more":
            await queue.enqueue("email", "from a handler")
        return "sent"

    return queue


async def test_a_producer_and_a_worker_can_do_all_that_they_do(as_role: As, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("barq.worker.upkeep.BEAT_SECONDS", 0.2)
    monkeypatch.setattr("barq.Worker._beat_seconds", 0.2)
    producer, boss = as_role("producer"), as_role("operator")
    kept = barq.Retention(count=1, bytes=10_000)
    worker = with_handlers(as_role("worker"))
    worker.space = barq.Queue("q", keep_completed=kept, keep_failed=kept, keep_logs=kept, keep_events=kept).space
    msgspec.structs.force_setattr(worker.space, "queue", producer.name)
    async with working(worker, lease=1):
        heard: list[str] = []
        job = producer.create("email", "again", attempts=2).on("complete", heard.append)
        await job.save()
        assert await job.result(20) == "sent"
        await producer.enqueue_many("email", ["more"] * 300)
        failing = await producer.enqueue("email", "fail", delay=0.05, token="once")
        assert (await producer.enqueue("email", "fail", token="once")).id == failing.id
        with pytest.raises(barq.JobFailed):
            await failing.result(20)
        assert heard == ["sent"]
        parked = await producer.enqueue("email", "park", priority="high")

        async def is_parked() -> bool:
            return (await parked.refresh()).state == "blocked"

        await until(is_parked, "it is parked")

        async def pruned() -> bool:
            return (await producer.counts())["completed"] <= 30

        await until(pruned, "workers prune")
        await boss.cancel(parked.id)


@pytest.mark.parametrize("role", ["producer", "worker"])
async def test_who_has_what_it_needs_is_asked_about_once(as_role: As, own_server: Server, role: rights.Role) -> None:
    queue = as_role(role)
    await queue.enqueue("email")
    tell(own_server, "CONFIG", "RESETSTAT")
    for _ in range(20):
        await queue.enqueue("email")
    stats = str(tell(own_server, "INFO", "commandstats"))
    assert "cmdstat_evalsha:calls=20," in stats
    assert "cmdstat_eval_ro" not in stats, "a round trip more for each call"


async def test_an_operator_can_do_all_that_one_does(as_role: As) -> None:
    boss = as_role("operator")
    async with serving(application(boss, origins=["*"])) as url:
        assert url
        first, second, third = [await boss.enqueue("email", n, delay=60) for n in range(3)]
        await boss.promote(first.id)
        await boss.cancel(second.id)
        await boss.retry(second.id)
        await boss.remove(third.id)
        await boss.pause("email", by="ada", reason="why not")
        await boss.resume("email")
        await boss.prune()
        assert len(await boss.jobs()) == 2
        assert (await boss.counts())["waiting"] == 2


async def looked_at(queue: barq.Queue) -> None:
    """All that can be read."""
    job = await queue.get(1)
    assert (await job.logs())[0][1] == "a line"
    assert len(await queue.jobs(limit=5)) == 5
    assert len(await queue.jobs("completed", newest_first=True)) == 50
    await queue.counts()
    assert await queue.types()
    await queue.workers()
    await queue.paused()
    assert await queue.position() != "0"
    assert [event async for event in queue.events("0", wait=False)]
    await queue.server_info()


async def test_a_viewer_reads_everything_and_changes_nothing(as_role: As, own_server: Server) -> None:
    producer, viewer = as_role("producer"), as_role("viewer")
    async with working(with_handlers(as_role("worker"))):
        jobs = await producer.enqueue_many("email", range(60))
        await jobs[-1].result(20)
        await looked_at(viewer)
    before = tell(own_server, "DBSIZE")
    for change in (
        lambda: viewer.enqueue("email"),
        lambda: viewer.cancel(1),
        lambda: viewer.retry(1),
        lambda: viewer.remove(1),
        lambda: viewer.pause(),
        lambda: viewer.prune(),
    ):
        with pytest.raises(barq.PermissionDenied, match=r"'eval(sha)?' command: allow it with \+eval"):
            await change()
    assert tell(own_server, "DBSIZE") == before
    assert (await viewer.get(1)).state == "completed"


async def test_a_dashboard_that_is_read_only_needs_no_more_than_a_viewer(as_role: As) -> None:
    import httpx

    boss, viewer = as_role("producer"), as_role("viewer")
    await boss.enqueue("email", {"to": "a@b.c"})
    async with serving(application(viewer, read_only=True)) as url, httpx.AsyncClient(base_url=url) as client:
        document = (await client.get("/openapi.json")).json()
        paths = [path for path, verbs in document["paths"].items() if "get" in verbs]
        assert len(paths) > 8
        for path in paths:
            if "stream" in path or path.endswith("/events"):
                continue
            filled = re.sub(r"\{(\w+)\}", lambda name: "email" if name[1] == "type" else "1", path)
            answer = await client.get(filled)
            assert answer.status_code in (200, 404, 422), (filled, answer.text)
        told = (await client.get("/server")).json()["doctor"]
        assert not [finding for finding in told if finding["check"] == "permissions"]


REFUSED: list[list[str]] = [
    ["FLUSHALL"],
    ["FLUSHDB"],
    ["KEYS", "*"],
    ["CONFIG", "SET", "maxmemory", "1"],
    ["ACL", "LIST"],
    ["SCRIPT", "FLUSH"],
    ["SHUTDOWN"],
    ["CLIENT", "KILL", "TYPE", "normal"],
    ["REPLICAOF", "127.0.0.1", "1"],
    ["GET", "barq:{other}:seq"],
    ["EVAL_RO", "return redis.call('GET', KEYS[1])", "1", "barq:{other}:seq"],
    ["EVAL_RO", "return redis.call('GET', 'barq:{other}:seq')", "0"],
    ["HGETALL", "barq:{other}:job"],
]


@pytest.mark.parametrize("role", rights.roles())
async def test_more_is_refused(as_role: As, own_server: Server, role: rights.Role) -> None:
    assert as_role(role)
    for words in REFUSED:
        said = refused(own_server, role, *words)
        assert re.search("permission|ACL failure|user executing the script", said), (words, said)


@pytest.mark.parametrize("role", ["viewer", "producer"])
async def test_who_does_not_work_can_not_claim(as_role: As, own_server: Server, role: rights.Role, name: str) -> None:
    refused(own_server, role, "BZPOPMIN", f"barq:{{{name}}}:email:wake", "0.01")
    refused(own_server, role, "DEL", f"barq:{{{name}}}:job")


@pytest.mark.parametrize("role", ["producer", "worker"])
async def test_a_missing_right_is_named_with_what_gives_it(
    as_role: As, own_server: Server, role: rights.Role, name: str
) -> None:
    queue = as_role(role)
    await queue.enqueue("email")
    for word, says in (("hset", r"\+hset"), ("evalsha", r"\+evalsha"), ("xadd", r"\+xadd")):
        tell(own_server, "ACL", "SETUSER", role, f"-{word}")
        with pytest.raises(barq.PermissionDenied, match=f"({says};|can't run this command.*:) `barq acl"):
            await queue.enqueue("email")
        tell(own_server, "ACL", "SETUSER", role, f"+{word}")
    tell(own_server, "ACL", "SETUSER", role, "resetkeys", "~other:*")
    with pytest.raises(barq.PermissionDenied, match="~barq:"):
        await queue.enqueue("email")
    tell(own_server, "ACL", "SETUSER", role, f"~barq:{{{name}}}:*")
    assert (await asyncio.wait_for(queue.enqueue("email"), 10)).id > 1


# ---- queues with partitions, and names that look like patterns


@pytest.fixture
async def parted_as(own_server: Server, name: str) -> AsyncIterator[As]:
    """The same for a queue with twelve partitions, whose numbers have one digit and two."""
    made: list[barq.Queue] = []
    for role in rights.roles():
        told = rights.rule(role, name, PARTS).split()
        tell(own_server, "ACL", "SETUSER", role, "reset", "on", ">secret", *told)

    def queue_of(role: rights.Role) -> barq.Queue:
        url = own_server.url.replace("//", f"//{role}:secret@")
        made.append(barq.Queue(name, url=url, timeout=5, partitions=PARTS))
        return made[-1]

    yield queue_of
    for queue in made:
        await queue.close()


PARTS = 12


async def test_the_roles_of_a_queue_with_partitions_can_do_all_that_they_do(parted_as: As) -> None:
    producer, boss, viewer = parted_as("producer"), parted_as("operator"), parted_as("viewer")
    jobs = [await producer.enqueue("email", number, token=f"{number}") for number in range(60)]
    assert {job.id % PARTS for job in jobs} == set(range(PARTS))
    async with working(with_handlers(parted_as("worker"))):
        assert await asyncio.gather(*(job.result(20) for job in jobs)) == ["sent"] * 60
        assert [job.id for job in await viewer.jobs("completed", limit=100)] != []
        assert (await viewer.counts())["completed"] == 60
        assert await viewer.workers()
        assert [event async for event in viewer.events("0", wait=False)]
    await boss.retry(*(job.id for job in jobs))
    await boss.pause()
    assert (await viewer.counts())["waiting"] == 60
    with pytest.raises(barq.PermissionDenied):
        await viewer.enqueue("email")
    with pytest.raises(barq.PermissionDenied):
        await viewer.cancel(jobs[0].id)


async def test_who_may_only_look_is_told_of_partitions_too(parted_as: As, own_server: Server, name: str) -> None:
    await parted_as("producer").enqueue("email")
    async with barq.Queue(name, url=own_server.url.replace("//", "//viewer:secret@"), timeout=5) as queue:
        with pytest.raises(barq.WrongPartitions, match=f"has {PARTS} partitions, and is used here with 1"):
            await queue.counts()


async def test_the_keys_of_others_are_refused_with_partitions_too(parted_as: As, own_server: Server, name: str) -> None:
    for role in rights.roles():
        assert parted_as(role)
        for other in (f"{name}x", f"{name}/x", f"{name}/123", f"{name}/1x", f"{name}/", f"x{name}/1", "other/1"):
            said = refused(own_server, role, "GET", f"barq:{{{other}}}:seq")
            assert "permission" in said or "ACL failure" in said, said


async def test_doctor_looks_at_the_rights_on_partitions(parted_as: As, own_server: Server, name: str) -> None:
    queue = parted_as("worker")
    await queue.enqueue("email")
    assert (await examine(queue.target, name, "worker")).denied == []
    tell(own_server, "ACL", "SETUSER", "worker", "reset", "on", ">secret", *rights.rule("worker", name).split())
    assert (await examine(queue.target, name, "worker")).denied == ["EVAL"]


@pytest.mark.parametrize("odd", ["*", "a?c", "[a-z]", "with space", "back\\slash", "a^b", "ünïcode", "-x"])
async def test_a_name_that_looks_like_a_pattern_allows_that_queue_alone(own_server: Server, odd: str) -> None:
    tell(own_server, "ACL", "SETUSER", "ada", "reset", "on", ">secret", *rights.rule("producer", odd, 3).split(" "))
    url = own_server.url.replace("//", "//ada:secret@")
    for parts in (1, 3):
        async with barq.Queue(odd, url=url, timeout=5, partitions=parts) as queue:
            assert (await queue.enqueue("email")).id > 0
        tell(own_server, "FLUSHALL")
    for other in ("abc", "b", "back", "x", f"{odd}{odd}"):
        assert "permission" in refused(own_server, "ada", "GET", f"barq:{{{other}}}:seq")


# ---- the lists can't rot


@pytest.mark.parametrize("name", command_names())
def test_every_command_of_a_script_is_known(name: str) -> None:
    called = set(re.findall(r"call\('([A-Z]+)'", script(name).plain_source.decode()))
    known = rights.READS | rights.WRITES | {"MEMORY"}
    assert called <= known
    if not script(name).writes:
        assert not {word.upper() for word in rights.commands_of(name)} & rights.WRITES


def test_doctor_tries_every_command_that_somebody_needs() -> None:
    needed = {word.upper() for name in command_names() for word in rights.commands_of(name)}
    tried = {line.split()[0] for line in TRIED.split(";")}
    assert needed - {"INFO", "TIME", "MEMORY|USAGE", "LRANGE"} <= tried


def test_each_part_needs_no_more_than_the_whole() -> None:
    everything = rights.commands("worker") | rights.commands("operator")
    for role in rights.roles():
        assert rights.commands(role) <= everything
    assert not {word.upper() for word in rights.commands("viewer")} & rights.WRITES
    assert "bzpopmin" not in rights.commands("operator")


def test_payloads_are_data_and_nothing_evaluates_them() -> None:
    """No eval; exec only of the file that `barq dev` is to run, pickle only between a worker and its own child processes."""
    from tests.support import ROOT

    suspicious = re.compile(r"\b(eval|exec|compile|__import__)\(|\b(pickle|marshal|shelve|yaml)\b")
    found = set()
    for path in (ROOT / "src" / "barq").rglob("*.py"):
        for line in path.read_text().splitlines():
            if (match := suspicious.search(line)) and not re.search(r"re\.compile\(|pipeline\.eval", line):
                found.add((path.name, match[2] or match[1]))
    assert found <= {("child.py", "pickle"), ("processes.py", "pickle"), ("run_file.py", "exec")}, found


@pytest.mark.parametrize(
    ("folder", "kind", "suspicious"),
    [
        ("protocol/lua", "lua", r"\b(loadstring|load|dofile|loadfile|setfenv)\s*\("),
        ("dashboard/static", "js", r"\beval\(|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write"),
    ],
)
def test_neither_scripts_nor_pages_turn_text_into_code(folder: str, kind: str, suspicious: str) -> None:
    from tests.support import ROOT

    files = sorted((ROOT / "src" / "barq" / folder).rglob(f"*.{kind}"))
    assert len(files) > 5
    assert not [file.name for file in files if re.search(suspicious, file.read_text())]


async def test_a_payload_that_looks_like_code_is_data(queue: barq.Queue) -> None:
    evil: Any = {"__reduce__": ["os.system", "touch /tmp/x"], "!!python/object": "__import__('os')", "$where": "1"}
    job = await queue.enqueue("email", evil)
    assert (await queue.get(job.id)).data == evil
