"""Workers: what a living worker says of itself with each of its beats. Written by worker/upkeep.py."""

import msgspec


class WorkerInfo(msgspec.Struct, frozen=True):
    """What a living worker says of itself. `memory_bytes`: what its process uses, 0 where it can't tell. `limits`: how
    many jobs of a type it runs at a time, where its handler says so. `draining`: it claims nothing more, and stays."""

    id: str
    host: str = ""
    pid: int = 0
    version: str = ""
    concurrency: int = 0
    running: int = 0
    types: list[str] = []
    started_ms: int = 0
    stopping: bool = False
    draining: bool = False
    memory_bytes: int = 0
    limits: dict[str, int] = {}
