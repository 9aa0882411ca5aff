"""Aio: coroutines that go on within the call that brings what they await."""

import asyncio
from typing import Any

import pytest

from barq.aio import Prompt, Reply
from tests.support import until


class Watched:
    """A prompt whose steps are noted."""

    def __init__(self) -> None:
        self.steps: list[Any] = []
        self.ended = False
        self.reply = Reply()

    async def begun(self) -> bool:
        return bool(self.steps)

    def prompt(self, coroutine: Any) -> Prompt:
        def end(_: Prompt) -> None:
            self.ended = True

        prompt = Prompt(coroutine, name="a prompt", ended=end)
        prompt.start()
        return prompt

    async def awaits_a_reply(self) -> None:
        try:
            self.steps.append(await self.reply)
        except BaseException as error:
            self.steps.append(type(error))
            raise

    async def sleeps_then_names_its_task(self) -> None:
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        self.steps.append(task.get_name())
        try:
            await asyncio.sleep(3600)
        finally:
            self.steps.append("left")


async def test_it_goes_on_within_the_call_that_sets_the_reply() -> None:
    watched = Watched()
    watched.prompt(watched.awaits_a_reply())
    assert (watched.steps, watched.ended) == ([], False)
    watched.reply.set_result(5)
    assert (watched.steps, watched.ended) == ([5], True)


async def test_an_error_of_the_reply_is_raised_there_and_reported() -> None:
    watched, reported = Watched(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    watched.prompt(watched.awaits_a_reply())
    error = ConnectionError("lost")
    watched.reply.set_exception(error)
    assert (watched.steps, watched.ended, reported) == ([ConnectionError], True, [error])


async def test_a_reply_can_be_awaited_by_any_task() -> None:
    watched = Watched()
    waiting = asyncio.create_task(watched.awaits_a_reply())
    await asyncio.sleep(0)
    watched.reply.set_result(5)
    await waiting
    assert watched.steps == [5]


async def test_awaiting_anything_else_makes_it_a_task() -> None:
    watched = Watched()
    prompt = watched.prompt(watched.sleeps_then_names_its_task())
    await until(watched.begun, "its task has begun")
    assert watched.steps == ["a prompt"]
    await prompt.gone()
    assert (watched.steps, watched.ended) == (["a prompt", "left"], True)


async def test_a_cancel_reaches_it_while_it_awaits_a_reply() -> None:
    watched = Watched()
    prompt = watched.prompt(watched.awaits_a_reply())
    await prompt.gone()
    assert (watched.steps, watched.ended) == ([asyncio.CancelledError], True)
    assert watched.reply.cancelled()


@pytest.mark.parametrize("turns", [0, 1, 2])
async def test_a_cancel_ends_it_before_and_after_its_task_has_begun(turns: int) -> None:
    watched = Watched()
    prompt = watched.prompt(watched.sleeps_then_names_its_task())
    for _ in range(turns):
        await asyncio.sleep(0)
    await prompt.gone()
    assert watched.ended
