"""find: what the index of the server finds is what looking at every job finds, whatever happened to the jobs before."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from barq import parts, search
from barq.options import Retention
from barq.outcome import encode_error
from barq.protocol.call import Space
from barq.record import Described, number
from barq.states import FINISHED, State
from barq.words import asked_terms, terms_of
from tests.commands.engine import LEASE_MS, Engine, Held, ending, new

TITLES = [
    None,
    None,
    "Invoice 7",
    "invoice: Anna, invoice 8!",
    "Änderung",
    "… !!",
    "x" * 200,
    "a b c d e f g h i j k l m n",
]
CUSTOMERS = [None, 42, "42", "4", "ada@example.com", "Ada Lovelace", True, 1.5, ["red", "blue", "red"], "_private_"]
ERRORS: list[Callable[[], Exception]] = [
    lambda: ValueError("Mailbox full: ada@example.com (quota=5)"),
    lambda: ValueError(""),
    lambda: KeyError("mailbox"),
    lambda: OSError("a\x00b\tc\nd é É   " + "." * 300 + "end"),
    lambda: RuntimeError(" ".join(f"word{n}" for n in range(50))),
]
ENDS = [("complete", None), ("discard", None), ("fail", None), ("fail", 10), ("release", None)]
TYPES = ["email", "Email.later", "push"]


@dataclass
class Known:
    """What is known of a job from outside of the server."""

    type: str
    title: str | None
    customer: Any
    asked: list[bytes] = field(default_factory=list)


class Story:
    """Random acts on a queue, and what each job should be found by."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self.engine = engine
        self.random = random.Random(seed)
        self.known: dict[int, Known] = {}
        self.held: list[Held] = []

    async def step(self) -> None:
        act = self.random.choice(
            [self.enqueue, self.enqueue, self.claim, self.claim, self.end, self.end, self.end, self.act, self.wait]
        )
        await act()
        if self.random.random() < 0.3:
            await self.engine.repeat()  # its answer was lost

    async def enqueue(self) -> None:
        batch = []
        for _ in range(self.random.randint(1, 4)):
            title, customer = self.random.choice(TITLES), self.random.choice(CUSTOMERS)
            terms = asked_terms(title, ("customer", "of.a"), {"customer": customer, "of": {"a": 1}})
            due = self.random.choice([b"", b"", b"+5000"])
            job = Known(self.random.choice(TYPES), title, customer, asked=terms.split(b"\n"))
            payload = msgspec.json.encode({"customer": customer})
            batch.append(
                (job, new(job.type, priority=self.random.randint(-2, 2), due=due, payload=payload, terms=terms))
            )
        ids = await self.engine.enqueue(*(sent for _, sent in batch))
        self.known |= dict(zip(ids, (job for job, _ in batch), strict=True))

    async def claim(self) -> None:
        self.held += await self.engine.claim(TYPES, 3, poison=1)

    async def end(self) -> None:
        if not self.held:
            return
        one = self.held.pop(self.random.randrange(len(self.held)))
        kind, retry_ms = self.random.choice(ENDS)
        error = self.random.choice(ERRORS)()
        body = encode_error(error) if kind == "fail" else b"null"
        settlement = ending(one, kind, body, retry_ms=retry_ms)
        if self.random.random() < 0.5:
            await self.engine.settle(settlement)
        else:
            _, held = await self.engine.turn(settlement, types=TYPES, most=1)
            self.held += held

    async def act(self) -> None:
        ids = self.random.sample(sorted(self.known), min(3, len(self.known)))
        if ids:
            verb = self.random.choice(["cancel", "retry", "promote", "remove"])
            await self.engine.act(verb, *ids)

    async def wait(self) -> None:
        self.engine.clock.advance(self.random.choice([0.02, 6, LEASE_MS / 1000 + 1]))
        for type_ in TYPES:
            await self.engine.prune(type_)

    # ---- what should be

    async def jobs(self) -> dict[int, Described]:
        ids = sorted(number(one) for one in await self.engine.command("HKEYS", self.engine.key("job")))
        found = {job.id: job for at in range(0, len(ids), 200) for job in await self.engine.fetch(*ids[at : at + 200])}
        assert sorted(found) == ids
        return found

    def terms(self, job: Described) -> set[bytes]:
        """By which a job should be found."""
        ending = job.status.ending
        if job.status.state is State.COMPLETED or ending is None or not ending.body.startswith(b"{"):
            failed = []
        else:
            told = msgspec.json.decode(ending.body.partition(b"\n")[0])
            failed = terms_of("error", told["type"]) + terms_of("message", told["message"])
        return {one for one in [*self.known[job.id].asked, *failed] if one}


def words(terms: set[bytes]) -> set[tuple[str, bytes]]:
    return {(one.split(b"\0")[1].decode(), one.split(b"\0")[0]) for one in terms}


QUERIES: dict[str, Callable[[Described, set[tuple[str, bytes]], int], bool]] = {
    "": lambda job, found, now: True,
    "state:failed": lambda job, found, now: job.status.state is State.FAILED,
    "type:email": lambda job, found, now: job.record.type == "email",
    "type:e*,push": lambda job, found, now: job.record.type in ("email", "push"),
    "title:invoice": lambda job, found, now: ("title", b"invoice") in found,
    "title:inv* state:waiting,delayed": lambda job, found, now: (
        ("title", b"invoice") in found and job.status.state in ("waiting", "delayed")
    ),
    "customer:42": lambda job, found, now: ("customer", b"42") in found,
    "customer:4*": lambda job, found, now: any(f == "customer" and w.startswith(b"4") for f, w in found),
    "customer:red customer:blue": lambda job, found, now: ("customer", b"red") in found,
    "of.a:1 type:push": lambda job, found, now: ("of.a", b"1") in found and job.record.type == "push",
    "error:ValueError": lambda job, found, now: ("error", b"valueerror") in found,
    "error:* state:failed".replace("*", "k*"): lambda job, found, now: (
        ("error", b"keyerror") in found and job.status.state is State.FAILED
    ),
    "message:mailbox": lambda job, found, now: ("message", b"mailbox") in found,
    "message:word1*": lambda job, found, now: ("message", b"word1") in found,
    "mail": lambda job, found, now: any(w.startswith(b"mail") for _, w in found),
    "e": lambda job, found, now: any(w.startswith(b"e") for _, w in found) or job.record.type.lower().startswith("e"),
    "42": lambda job, found, now: any(w.startswith(b"42") for _, w in found) or job.id == 42,
    "7": lambda job, found, now: any(w.startswith(b"7") for _, w in found) or job.id == 7,
    "id:3,4,5 type:email": lambda job, found, now: job.id in (3, 4, 5) and job.record.type == "email",
    "priority:<0": lambda job, found, now: job.record.priority < 0,
    "priority>=1 state:waiting": lambda job, found, now: job.record.priority >= 1 and job.status.state is State.WAITING,
    "age<10s": lambda job, found, now: now - job.record.created_ms < 10_000,
    "age>10s ada": lambda job, found, now: (
        now - job.record.created_ms > 10_000 and any(w.startswith(b"ada") for _, w in found)
    ),
    "age<40s": lambda job, found, now: now - job.record.created_ms < 40_000,
    "age>40s state:waiting,delayed": lambda job, found, now: (
        now - job.record.created_ms > 40_000 and job.status.state in ("waiting", "delayed")
    ),
    "age<90s age>30s customer:42": lambda job, found, now: (
        30_000 < now - job.record.created_ms < 90_000 and ("customer", b"42") in found
    ),
    "age<60s priority:<1 type:e*,push": lambda job, found, now: (
        now - job.record.created_ms < 60_000 and job.record.priority < 1 and job.record.type in ("email", "push")
    ),
    "ended<30s": lambda job, found, now: job.status.state in FINISHED and now - job.status.score < 30_000,
    "ended>30s type:email": lambda job, found, now: (
        job.status.state in FINISHED and now - job.status.score > 30_000 and job.record.type == "email"
    ),
}


async def found(engine: Engine, query: str, after: str | None = None, **options: Any) -> list[int]:
    """Ids of all pages."""
    ids: list[int] = []
    for _ in range(10_000):
        page = await engine.find(query, after=after, **options)
        ids += page.ids
        after = page.next
        if after is None:
            return ids
    raise AssertionError("pages without an end")


@pytest.mark.parametrize("seed", range(3))
async def test_the_index_finds_what_looking_at_every_job_finds(
    engine: Engine, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.space = Space(engine.space.queue, completed=Retention(count=8), failed=Retention(age=200))
    story = Story(engine, seed)
    await story.enqueue()
    for round in range(4):
        for _ in range(40):
            await story.step()
        jobs = await story.jobs()
        for query, fits in QUERIES.items():
            expected = [id for id, job in jobs.items() if fits(job, words(story.terms(job)), engine.now)]
            assert sorted(await found(engine, query)) == expected, (round, query)
            in_pages = await found(engine, query, limit=5, looks=25, wants=story.random.choice(["jobs", "ids"]))
            assert sorted(in_pages) == expected, (round, query)
            monkeypatch.setattr(search, "LOOKS", story.random.choice([10, 1000]))
            assert (await engine.find(query, wants="count", limit=2**53)).count == len(expected), query
            monkeypatch.undo()
        await assert_terms_are_those_of_the_jobs(story, jobs)
    await engine.act("cancel", *jobs)
    await engine.act("remove", *jobs)
    assert await engine.command("EXISTS", engine.key("find"), engine.key("terms"), engine.key("job")) == 0


async def assert_terms_are_those_of_the_jobs(story: Story, jobs: dict[int, Described]) -> None:
    """No term is missing, and none is left behind but errors of jobs that have completed since, until they are forgotten."""
    engine = story.engine
    in_index: dict[int, set[bytes]] = {}
    for entry in await engine.command("ZRANGE", engine.key("find"), 0, -1):
        term, _, id = entry.rpartition(b"\0")
        in_index.setdefault(number(id), set()).add(term)
    stored = await engine.command("HGETALL", engine.key("terms"))
    remembered = {
        number(id): set(text.split(b"\n")[1:]) - {b""} for id, text in zip(stored[::2], stored[1::2], strict=True)
    }
    assert {id: terms for id, terms in remembered.items() if terms} == in_index
    for id, job in jobs.items():
        of_index, should = in_index.get(id, set()), story.terms(job)
        if job.status.state is State.COMPLETED:
            of_index = {term for term in of_index if term.split(b"\0")[1] not in (b"error", b"message", b"place")}
        assert of_index == should, id
    assert in_index.keys() <= jobs.keys()


async def test_a_page_goes_on_behind_its_last_job_whatever_has_moved(engine: Engine) -> None:
    await engine.enqueue(*[new(terms=b"ada\0customer")] * 10)
    page = await engine.find("customer:ada", limit=4)
    assert page.ids == [10, 9, 8, 7]
    await engine.act("remove", 7, 8, 6)
    await engine.enqueue(new(terms=b"ada\0customer"))
    behind = await engine.find("customer:ada", limit=2, after=page.next)
    assert behind.ids == [5, 4]
    last = await engine.find("customer:ada", limit=50, after=behind.next)
    assert last.ids == [3, 2, 1]
    assert last.next is None


async def test_a_page_looks_at_so_many_jobs_and_no_more(engine: Engine) -> None:
    for _ in range(4):
        await engine.enqueue(*[new(due=b"+5000")] * 250)
    page = await engine.find("priority:<0", looks=900)
    assert list(page.ids) == []
    assert page.next is not None
    rest = await engine.find("priority:<0", after=page.next, looks=101)
    assert (list(rest.ids), rest.next) == ([], None)


async def test_what_the_order_of_a_line_tells_is_not_looked_for(engine: Engine) -> None:
    """However many jobs there are, of a filter that the order of lines or ids answers only those that fit are looked at."""
    for type_ in ("email", "push"):
        for priority in (0, 5):
            await engine.enqueue(*[new(type_, priority=priority)] * 250)
    engine.clock.advance(3600)
    young = await engine.enqueue(*[new("email", priority=5)] * 3, *[new("push", priority=7)] * 2)
    engine.clock.advance(1800)
    held = await engine.claim("email", 20)
    await engine.complete(*held)
    for query, ids in {
        "priority:<0": [],
        "priority:>5": young[:2:-1],
        "priority:>=5 age<1h": [*young[:2:-1], *young[2::-1]],
        "age<1h": young[::-1],
        "age<1h state:waiting": [*young[:2:-1], *young[2::-1]],
        "age<10m": [],
        "age>1w": [],
        "age>1h age<80m": [],
        "ended>1s": [],
        "ended<1s type:push": [],
        "age>1w ended<1h": [],
    }.items():
        page = await engine.find(query, looks=100)
        assert (sorted(page.ids), page.next) == (sorted(ids), None), query


async def test_jobs_that_are_gone_hide_no_others_of_their_age(engine: Engine) -> None:
    """Ids are halved to find an age; where most of them are not there any more, what is left is looked at."""
    kept = []
    for _ in range(40):
        ids = await engine.enqueue(*["email"] * 100)
        kept.append(ids[37])
        await engine.act("remove", *(id for id in ids if id != ids[37]))
        engine.clock.advance(100)
    assert sorted(await found(engine, "age<1450s")) == kept[-14:]
    assert sorted(await found(engine, "age>1450s")) == kept[:-14]
    assert sorted(await found(engine, "age>1450s age<2000s", limit=2, looks=20)) == kept[-19:-14]


async def test_lines_of_several_types_are_one_by_time(engine: Engine) -> None:
    ended = []
    for n in range(30):
        (id,) = await engine.enqueue(f"type{n % 3}")
        if n % 5:
            (held,) = await engine.claim(f"type{n % 3}")
            await engine.settle(ending(held, "fail" if n % 2 else "complete", b"null"))
        else:
            await engine.act("cancel", id)
        engine.clock.advance(n % 2)  # two end at the same moment
        ended.append(id)
    for looks in (4, 1000):
        assert await found(engine, "state:completed,failed,cancelled", limit=4, looks=looks) == ended[::-1]
        assert (
            await found(engine, "state:completed,failed,cancelled", limit=7, looks=looks, wants="jobs") == ended[::-1]
        )


@pytest.mark.parametrize("most", [0, 2])
async def test_too_many_lines_come_one_after_the_other(
    engine: Engine, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "MOST_MERGED", most)
    ids = await engine.enqueue(*[f"type{n % 3}" for n in range(30)])
    assert await found(engine, "", limit=4) == [*ids[::3][::-1], *ids[1::3][::-1], *ids[2::3][::-1]]
    page = await engine.find("", limit=4)
    monkeypatch.setattr(parts, "MOST_MERGED", 3)  # so many that they would come as one by now
    assert await found(engine, "", after=page.next, limit=50) == [
        *ids[::3][-5::-1],
        *ids[1::3][::-1],
        *ids[2::3][::-1],
    ]


async def test_an_index_without_a_job_of_the_word_finds_nothing(engine: Engine) -> None:
    await engine.enqueue(new(terms=b"ada\0customer"))
    assert (await engine.find("customer:ad")).ids == []
    assert (await engine.find("customer:ada1*")).ids == []
    assert (await engine.find("other:ada")).ids == []


async def test_jobs_without_title_and_fields_touch_no_index(engine: Engine) -> None:
    await engine.enqueue(*["email"] * 3)
    await engine.complete(*await engine.claim())
    assert await engine.command("EXISTS", engine.key("find"), engine.key("terms")) == 0


async def test_a_poisoned_job_is_found_by_its_error(engine: Engine) -> None:
    await engine.enqueue("email")
    await engine.claim(poison=0)
    engine.clock.advance(LEASE_MS / 1000 + 1)
    await engine.claim(poison=0)
    assert (await engine.find("error:WorkerLost state:failed")).ids == [1]
