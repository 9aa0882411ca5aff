"""Tasks: typed functions as jobs; arguments and results are converted by their annotations."""

import enum
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID

import msgspec
import pytest

import barq
from tests.worker.running import work_off, working


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Box:
    width: int
    height: int
    color: Color = Color.RED


class Address(msgspec.Struct):
    name: str
    mail: str | None = None


class Model:
    """What pydantic models have for this, without pydantic."""

    def __init__(self, sku: str) -> None:
        self.sku = sku

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        assert mode == "json"
        return {"sku": self.sku}

    @classmethod
    def model_validate(cls, value: dict[str, Any]) -> Self:
        return cls(value["sku"])


async def test_a_task_runs_with_its_arguments_and_gives_its_result(queue: barq.Queue) -> None:
    @queue.task
    async def add(a: int, b: int = 2) -> int:
        return a + b

    jobs = [await add.enqueue(1), await add.enqueue(1, 5), await add.enqueue(b=3, a=4)]
    assert [job.data for job in jobs] == [{"a": 1}, {"a": 1, "b": 5}, {"a": 4, "b": 3}]
    async with working(queue):
        assert [await job.result(10) for job in jobs] == [3, 6, 7]
    assert await add(2, 2) == 4
    assert add.__name__ == "add"


async def test_arguments_arrive_as_their_annotations_say(queue: barq.Queue) -> None:
    got: dict[str, Any] = {}

    @queue.task
    async def ship(
        box: Box,
        to: Address,
        at: datetime,
        color: Color,
        tags: set[str],
        id: UUID,
        wait: timedelta,
        raw: bytes,
        item: Model,
        loose: Any = None,
        boxes: list[Box] | None = None,
    ) -> None:
        got.update(locals())

    at = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    await ship.enqueue(
        Box(1, 2),
        to=Address("Ada"),
        at=at,
        color=Color.BLUE,
        tags={"x"},
        id=UUID(int=7),
        wait=timedelta(seconds=90),
        raw=b"\x00\xff",
        item=Model("s1"),
        loose={"any": [1]},
        boxes=[Box(3, 4, Color.BLUE)],
    )
    await work_off(queue)
    assert got["box"] == Box(1, 2, Color.RED)
    assert got["to"] == Address("Ada")
    assert (got["at"], got["color"], got["tags"], got["id"]) == (at, Color.BLUE, {"x"}, UUID(int=7))
    assert (got["wait"], got["raw"], got["loose"]) == (timedelta(seconds=90), b"\x00\xff", {"any": [1]})
    assert isinstance(got["item"], Model)
    assert got["item"].sku == "s1"
    assert got["boxes"] == [Box(3, 4, Color.BLUE)]


async def test_a_result_arrives_as_its_annotation_says(queue: barq.Queue) -> None:
    @queue.task
    async def pack(width: int) -> Box:
        return Box(width, 1)

    @queue.task
    def when() -> datetime:
        return datetime(2030, 1, 1, tzinfo=UTC)

    @queue.task
    async def model() -> Model:
        return Model("s2")

    async with working(queue):
        assert await (await pack.enqueue(3)).result(10) == Box(3, 1)
        assert await (await when.enqueue()).result(10) == datetime(2030, 1, 1, tzinfo=UTC)
        assert (await (await model.enqueue()).result(10)).sku == "s2"


async def test_using_gives_other_options_and_leaves_the_task_as_it_was(queue: barq.Queue) -> None:
    @queue.task(name="math.add", priority="high", attempts=5, backoff=barq.fixed(1), timeout=9, title="Sum")
    async def add(a: int, b: int) -> int:
        return a + b

    job = await add.using(priority="low", delay=60).enqueue(1, 2)
    assert (job.type, job.priority, job.attempts, job.state, job.title) == ("math.add", 10, 5, "delayed", "Sum")
    job = await add.enqueue(1, 2)
    assert (job.priority, job.options.timeout_ms, job.options.backoff) == (-10, 9000, barq.fixed(1))


@pytest.mark.parametrize(
    ("positional", "named", "says"),
    [
        ((), {}, "missing a required argument: 'a'"),
        ((1, 2, 3), {}, "too many positional arguments"),
        ((1,), {"c": 3}, "got an unexpected keyword argument 'c'"),
    ],
)
async def test_arguments_that_do_not_fit_are_refused_at_the_enqueue(
    queue: barq.Queue, positional: tuple[int, ...], named: dict[str, int], says: str
) -> None:
    @queue.task
    async def add(a: int, b: int = 1) -> int:
        return a + b

    with pytest.raises(barq.InvalidType, match=says) as caught:
        await add.enqueue(*positional, **named)  # type: ignore[arg-type]
    assert "it is add(a: int, b: int = 1) -> int" in str(caught.value)
    assert await queue.types() == {}


@pytest.mark.parametrize("value", [object(), float("nan"), lambda: None, 2**60, {1: 2, "a": object()}])
async def test_arguments_that_cannot_be_sent_are_refused_at_the_enqueue(queue: barq.Queue, value: Any) -> None:
    @queue.task
    async def send(it: Any) -> None: ...

    with pytest.raises(barq.InvalidPayload):
        await send.enqueue(it=value)
    assert await queue.types() == {}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ([1], "data must be its arguments by name"),
        ({"a": 1, "c": 2}, "has no parameter c"),
        ({}, "a is missing"),
        ({"a": "one"}, "Expected `int`, got `str`"),
    ],
)
async def test_data_that_does_not_fit_the_function_parks_the_job(queue: barq.Queue, data: Any, says: str) -> None:
    @queue.task
    async def add(a: int, b: int = 1) -> int:
        return a + b

    job = await queue.enqueue("add", data, attempts=5)
    await work_off(queue)
    assert (await job.refresh()).state == "blocked"
    assert (job.attempt, job.failures) == (1, 0)
    assert job.error is not None
    assert (job.error.type, says in job.error.message) == ("UnfitData", True)
    with pytest.raises(barq.ResultTimeout, match=f"it is parked until somebody retries it: .*{says}"):
        await job.result(0.5)


@pytest.mark.parametrize("bad", ["positional", "star", "double star"])
def test_functions_whose_parameters_have_no_names_are_refused(bad: str) -> None:
    def positional(a: int, /) -> None: ...
    def star(*a: int) -> None: ...
    def double_star(**a: int) -> None: ...

    function: Any = {"positional": positional, "star": star, "double star": double_star}[bad]
    with pytest.raises(barq.InvalidType, match="has no name of its own"):
        barq.Queue().task(function)


def test_an_annotation_that_cannot_be_resolved_is_refused() -> None:
    def send(a: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(barq.InvalidValue, match=r"annotation can't be resolved.*Nowhere"):
        barq.Queue().task(send)
