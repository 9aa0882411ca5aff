"""Search: what a page of a query costs the server beside a million jobs. Rows of scale.py."""

import asyncio
import itertools
from collections.abc import Iterator

import barq
from barq.outcome import encode_error
from barq.protocol import calls
from benchmarks.flat import MILLION
from benchmarks.results import Result
from benchmarks.rig import PAYLOAD, Rig

BUDGET_MS = 50
PAGES = 5
CUSTOMERS = 50_000
FAILED = 200_000
AT_ONCE = 250

QUERIES = (
    "id:500000",
    "customer:77",
    "customer:77*",
    "title:invoice",
    "title:invoice customer:77",
    "state:failed",
    "state:failed type:email",
    "state:failed error:SMTPError",
    "state:failed error:RareError",
    'state:failed "mailbox full"',
    "mailbox customer:77",
    "type:email priority:<0",
    "state:failed age<1h",
    "state:failed ended<1h type:push",
    "state:failed age>1h",
    "age>1h",
    "age<1h",
    "priority:<0 state:waiting",
    "state:failed priority:<0",
    "data:nowhere",
)


async def queries(rig: Rig) -> list[Result]:
    """CPU of the server for a page of 50, and for a count, of each query."""
    async with barq.Queue(url=rig.url, timeout=60, keep_failed=barq.Retention()) as queue:
        await _load(queue)
        found = []
        for query in QUERIES:
            scripts, began = rig.script_us()[0], rig.cpu_seconds()
            for _ in range(PAGES):
                page = await queue.find(query)
            sent, ended = (rig.script_us()[0] - scripts) // PAGES, rig.cpu_seconds()
            number = await queue.count(query)
            page_ms, count_ms = (ended - began) * 1000 / PAGES, (rig.cpu_seconds() - ended) * 1000
            exactly = "" if number.exact else " at least"
            figures = (
                f"{len(page):>3} jobs in {sent:>2} calls{', goes on' if page.next else '':<9}; "
                f"count {count_ms:>6.1f} ms,{exactly} {int(number)}"
            )
            found.append(Result(f"a page of {query}", figures, page_ms, BUDGET_MS, " ms"))
        return found


async def _load(queue: barq.Queue) -> None:
    """A million jobs with a title and a customer, a fifth of which has failed."""
    numbers = itertools.count()

    def slice_of(jobs: int) -> Iterator[dict[str, object]]:
        for number in itertools.islice(numbers, jobs):
            yield {**PAYLOAD, "customer": number % CUSTOMERS}

    for at in range(0, MILLION, 50_000):
        type_ = "push" if at % 150_000 == 0 else "email"
        await queue.enqueue_many(type_, slice_of(50_000), title="Invoice", index=("customer",))
    bodies = [
        encode_error(error)
        for error in (
            ConnectionError("no answer from smtp"),
            type("SMTPError", (Exception,), {})("mailbox full: try later"),
        )
    ]
    rare = encode_error(type("RareError", (Exception,), {})("seldom"))
    for at in range(0, FAILED, AT_ONCE):
        call = calls.claim(
            queue.space,
            [("email", AT_ONCE), ("push", AT_ONCE)],
            now_ms=0,
            worker="w",
            nonce=f"n{at}",
            lease_ms=600_000,
            poison=3,
            most=AT_ONCE,
        )
        claim = await queue._here().store.send(call)
        endings = [
            (type_, id, token, b"fail", b"", rare if at == 0 and i < 20 else bodies[i % 2])
            for type_, token, jobs in claim.handed
            for i, (id, _) in enumerate(jobs)
        ]
        await queue._here().store.send(calls.settle(queue.space, endings, now_ms=0, prunes=False))
    await asyncio.sleep(0)
