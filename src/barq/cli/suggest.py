"""Suggest: the types of a queue, for completion in a shell; nothing where the server does not answer at once."""

import asyncio
import os
from typing import Final

import click
from click.shell_completion import CompletionItem

_SECONDS: Final = 1.0
_MOST: Final = 200


def types(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    given = context.params
    name = given.get("queue_name") or os.environ.get("BARQ_QUEUE") or "default"
    try:
        found = asyncio.run(_types(name, given.get("url")))
    except Exception:  # whoever presses Tab is told nothing; the command itself says what is wrong
        return []
    return [CompletionItem(type) for type in found if type.startswith(begun)][:_MOST]


def states(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """States, and how a query begins."""
    from barq.states import State

    words = [
        *map(str, State),
        *(f"{name}:" for name in ("state", "type", "title", "error", "message", "place", "id", "data")),
    ]
    return [CompletionItem(word) for word in words if word.startswith(begun)]


async def _types(name: str, url: str | None) -> list[str]:
    import barq
    from barq.store.connect import connect

    async with asyncio.timeout(_SECONDS), barq.Queue(name, url=url, timeout=_SECONDS) as queue:
        connection, _ = await connect(queue.target)
        await connection.disconnect(nowait=True)
        return list(await queue.types())
