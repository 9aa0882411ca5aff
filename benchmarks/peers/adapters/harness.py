"""Harness: what an adapter may import. It runs in the peer's own environment, so it needs the standard library only.

The runner says by environment variables what is asked of this process; see adapters/__init__.py for the whole interface.
"""

import asyncio
import json
import os
import signal
import struct
import time
from typing import Any

URL = os.environ["PEER_URL"]
JOB: dict[str, str] = json.loads(os.environ["PEER_JOB"])
PLAIN = os.environ["PEER_HANDLER"] == "plain"
CONCURRENCY = int(os.environ["PEER_CONCURRENCY"])
KEEP = os.environ["PEER_KEEP"] == "1"

_records = os.open(os.environ["PEER_RECORDS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
_pack = struct.Struct("<q8s").pack


def record(data: dict[str, str]) -> None:
    """The work of every handler: append when it ran, and the end of the phone number as proof of the data."""
    os.write(_records, _pack(time.monotonic_ns(), data["phoneNumber"][-8:].encode()))


async def until_stopped() -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()


def become(program: str, *arguments: Any) -> None:
    """Go on as one of the programs that the peer installed beside its Python, as its documentation starts workers."""
    import sys

    path = os.path.join(os.path.dirname(sys.executable), program)
    os.execv(path, [path, *map(str, arguments)])
