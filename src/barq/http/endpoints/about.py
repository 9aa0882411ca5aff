"""About: the API itself, the server behind it, and whether it answers."""

from typing import Any, Final

import msgspec

from barq.doctor import Finding, diagnose
from barq.errors import BarqError
from barq.http import openapi
from barq.http.endpoint import endpoint
from barq.http.site import VERSION, Ask
from barq.queue import Queue
from barq.store.examine import examine

_DOCTOR_SECONDS: Final = 60.0


class Index(msgspec.Struct):
    """Where one is, and where things are."""

    name: str
    version: str
    queue: str
    read_only: bool
    links: dict[str, str]


@endpoint("GET", "/")
async def get_index(ask: Ask) -> Index:
    """Say what this is, and where things are."""
    base = ask.request.scope.get("root_path", "")
    places = ("openapi.json", "jobs", "types", "workers", "server", "events", "health", "metrics")
    links = {place.partition(".")[0]: f"{base}/{place}" for place in places}
    return Index("barq", VERSION, ask.queue.name, ask.visitor.read_only, links)


@endpoint("GET", "/openapi.json")
async def get_openapi(ask: Ask) -> dict[str, Any]:
    """Read this API's own description."""
    from barq.http.endpoints import ENDPOINTS as EVERY

    base = ask.request.scope.get("root_path", "")
    return openapi.document(EVERY, base=base, protected=ask.site.protected)


class Health(msgspec.Struct):
    status: str


@endpoint("GET", "/health")
async def get_health(ask: Ask) -> Health:
    """Say that the server of the queue answers; a 503 says that it does not. Needs no token."""
    await ask.queue.ping()
    return Health("ok")


class Memory(msgspec.Struct):
    """Bytes. `limit` is null when there is none."""

    used: int
    peak: int
    limit: int | None


class Persistence(msgspec.Struct):
    """How the server keeps what it was told: each change (append-only file), and snapshots."""

    append_only: bool
    append_only_ok: bool
    snapshot_ok: bool
    changes_since_snapshot: int


class ServerView(msgspec.Struct):
    """The server behind the queue. `doctor`: what `barq doctor` finds that is not ok, at most a minute old."""

    name: str
    version: str
    address: str
    uptime_seconds: int
    clients: int
    commands_per_second: int
    memory: Memory
    persistence: Persistence
    warnings: list[str]
    doctor: list[Finding]


@endpoint("GET", "/server")
async def get_server(ask: Ask) -> ServerView:
    """Read how the server behind the queue is: memory, persistence, and what a person should know."""
    info = await ask.queue.server_info()

    def number(field: str) -> int:
        return int(float(info.get(field, "0")))

    name = "valkey" if "valkey_version" in info else "redis"
    memory = Memory(number("used_memory"), number("used_memory_peak"), number("maxmemory") or None)
    persistence = Persistence(
        append_only=info.get("aof_enabled") == "1",
        append_only_ok=info.get("aof_last_write_status", "ok") == "ok",
        snapshot_ok=info.get("rdb_last_bgsave_status", "ok") == "ok",
        changes_since_snapshot=number("rdb_changes_since_last_save"),
    )
    return ServerView(
        name=name,
        version=info.get(f"{name}_version", ""),
        address=ask.queue.target.shown,
        uptime_seconds=number("uptime_in_seconds"),
        clients=number("connected_clients"),
        commands_per_second=number("instantaneous_ops_per_sec"),
        memory=memory,
        persistence=persistence,
        warnings=warnings(memory, persistence),
        doctor=await _doctor(ask),
    )


async def _doctor(ask: Ask) -> list[Finding]:
    viewer = ask.visitor.read_only
    key = f"doctor of {'viewer' if viewer else 'operator'}"
    return await ask.site.shared(key, lambda: _examined(ask.queue, viewer=viewer), seconds=_DOCTOR_SECONDS)


async def _examined(queue: Queue, *, viewer: bool) -> list[Finding]:
    """What is not ok. The server was heard of a moment ago: when it can't be examined, that is all there is to say."""
    try:
        facts = await examine(queue.target, queue.name, "viewer" if viewer else None)
    except BarqError as error:
        return [Finding("permissions", "warn", f"the server could not be examined: {error}")]
    return [finding for finding in diagnose(facts) if finding.mark != "ok"]


def warnings(memory: Memory, persistence: Persistence) -> list[str]:
    """What a person should know of the server, worst first."""
    found = []
    if not persistence.append_only_ok or not persistence.snapshot_ok:
        found.append("the server could not write to its disk the last time it tried: look at its log")
    if memory.limit is not None and memory.used > 0.9 * memory.limit:
        found.append(
            f"the server has used {memory.used / memory.limit:.0%} of its memory: new jobs are refused at 100%"
        )
    if not persistence.append_only:
        found.append(
            "the server keeps no append-only file: what it was told since its last snapshot is lost when it dies"
        )
    return found


ENDPOINTS = [get_index, get_openapi, get_health, get_server]
