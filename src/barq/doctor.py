"""Doctor: what a server's settings and state mean for jobs, worked out from facts. No I/O: store/examine.py gathers them."""

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

Mark = Literal["ok", "warn", "bad"]

OLDEST_REDIS: Final = (6, 2)
OLDEST_VALKEY: Final = (7, 2)
MUCH_MEMORY: Final = 0.9
MANY_CLIENTS: Final = 0.8
SLOW_MS: Final = 5.0
CLOCK_OFF_MS: Final = 1000
FAR_BEHIND_BYTES: Final = 1_000_000


class Facts(msgspec.Struct, frozen=True):
    """What was seen of a server.

    `info`: the fields of INFO. `config`: settings by name, None when they may not be read. `clock_ms`: how far the
    server's clock is ahead of ours. `latency_ms`: the median of some PINGs. `denied`: commands that the user may not run.
    `cluster_state`: as CLUSTER INFO tells it, None when it is no cluster.
    """

    info: dict[str, str]
    config: dict[str, str] | None = None
    clock_ms: int = 0
    latency_ms: float = 0.0
    denied: list[str] = []
    cluster_state: str | None = None
    role: str | None = None
    """Whose rights were looked at: a producer, worker, viewer or operator. None: all that there are."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that was checked: how it is, and what that means for jobs."""

    check: str
    mark: Mark
    says: str


def diagnose(facts: Facts) -> list[Finding]:
    """Everything that was checked, in a fixed order."""
    checks = (_version, _role, _persistence, _disk, _eviction, _memory, _replication, _clients, _clock, _latency)
    found = [Finding(check.__name__.lstrip("_"), *check(facts)) for check in checks]
    found.append(Finding("permissions", *_permissions(facts)))
    if facts.cluster_state is not None:
        found.append(Finding("cluster", *_cluster(facts.cluster_state)))
    return found


def worst(findings: list[Finding]) -> Mark:
    marks = {finding.mark for finding in findings}
    return "bad" if "bad" in marks else "warn" if "warn" in marks else "ok"


Verdict = tuple[Mark, str]


def _number(facts: Facts, field: str) -> int:
    return int(float(facts.info.get(field) or 0))


def _version(facts: Facts) -> Verdict:
    name = "valkey" if "valkey_version" in facts.info else "redis"
    text = facts.info.get(f"{name}_version", "0")
    version = tuple(int(part) for part in text.split(".") if part.isdigit())
    oldest = OLDEST_VALKEY if name == "valkey" else OLDEST_REDIS
    if version < oldest:
        return "bad", f"{name} {text}: barq refuses it, it needs {'.'.join(map(str, oldest))} at least"
    if version < (7,):
        return "warn", f"{name} {text}: when its memory is full it refuses also what ends jobs; 7.0 and later do not"
    return "ok", f"{name} {text}"


def _role(facts: Facts) -> Verdict:
    if facts.info.get("role", "master") != "master":
        return "bad", "a read-only replica: barq refuses it; connect to its primary"
    return "ok", "a primary: it takes jobs"


def _persistence(facts: Facts) -> Verdict:
    if facts.info.get("aof_enabled") != "1":
        return "bad", "no append-only file: a crash loses every job since the last snapshot; set appendonly yes"
    match (facts.config or {}).get("appendfsync"):
        case "always":
            return "ok", "append-only file, synced before each answer: a crash or a power cut loses no acknowledged job"
        case "everysec":
            return (
                "ok",
                "append-only file, synced each second: a crash loses nothing, a power cut one to two seconds of jobs",
            )
        case "no":
            return "warn", "append-only file, synced when the system likes: a power cut loses half a minute of jobs"
        case _:
            return (
                "warn",
                "append-only file; how often it is synced can't be read, so what a power cut loses is unknown",
            )


def _disk(facts: Facts) -> Verdict:
    if facts.info.get("aof_last_write_status", "ok") != "ok" or facts.info.get("rdb_last_bgsave_status", "ok") != "ok":
        return (
            "bad",
            "the last write to disk failed: jobs may be refused, and are lost at a crash; look at the server's log",
        )
    return "ok", "the last writes to disk went well"


def _eviction(facts: Facts) -> Verdict:
    policy = facts.info.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return "ok", "noeviction: no job is ever dropped to save memory"
    if _number(facts, "maxmemory"):
        return "bad", f"{policy}: jobs vanish when memory is full, so barq refuses it; set maxmemory-policy noeviction"
    return "warn", f"{policy}, without effect as there is no maxmemory; with one barq refuses it"


def _memory(facts: Facts) -> Verdict:
    used, most = _number(facts, "used_memory"), _number(facts, "maxmemory")
    if not most:
        return "warn", f"{_megabytes(used)} used and no maxmemory: too many jobs get the server killed by the system"
    share = f"{used / most:.0%} of {_megabytes(most)} used"
    if used >= most:
        return "bad", f"{share}: new jobs are refused with QueueFull; running ones go on"
    if used > MUCH_MEMORY * most:
        return "warn", f"{share}: at 100% new jobs are refused with QueueFull"
    return "ok", share


def _replication(facts: Facts) -> Verdict:
    replicas = list(_replicas(facts))
    if not replicas:
        return "ok", "no replicas: if this machine is lost, so are its jobs; durability replicated can't be kept"
    end = _number(facts, "master_repl_offset")
    for replica in replicas:
        name, state = f"replica {replica.get('ip')}:{replica.get('port')}", replica.get("state")
        behind = end - int(replica.get("offset", 0))
        if state != "online":
            return "warn", f"{name} is in state {state}: it does not hold the jobs yet"
        if behind > FAR_BEHIND_BYTES:
            return "warn", f"{name} is {_megabytes(behind)} behind: a failover to it loses that"
    return "ok", f"{len(replicas)} replicas follow: durability replicated({len(replicas)}) can be kept"


def _replicas(facts: Facts) -> Iterator[dict[str, str]]:
    for number in range(_number(facts, "connected_slaves")):
        text = facts.info.get(f"slave{number}", "")
        yield dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair)


def _clients(facts: Facts) -> Verdict:
    now, most = _number(facts, "connected_clients"), _number(facts, "maxclients")
    if most and now > MANY_CLIENTS * most:
        return "warn", f"{now} of {most} connections in use: beyond that workers and producers are turned away"
    return "ok", f"{now} of {most or 'any number of'} connections in use"


def _clock(facts: Facts) -> Verdict:
    if abs(facts.clock_ms) > CLOCK_OFF_MS:
        way = "ahead of" if facts.clock_ms > 0 else "behind"
        return (
            "warn",
            f"{abs(facts.clock_ms) / 1000:g} s {way} ours: a delay that is a datetime is off by that; leases are not",
        )
    return "ok", "within a second of ours"


def _latency(facts: Facts) -> Verdict:
    says = f"{facts.latency_ms:.1f} ms for an answer"
    if facts.latency_ms > SLOW_MS:
        return (
            "warn",
            f"{says}: a producer that waits for each job stores {1000 / facts.latency_ms:.0f} a second at most",
        )
    return "ok", says


def _permissions(facts: Facts) -> Verdict:
    if facts.denied:
        who = f"a {facts.role} fails" if facts.role else "producers or workers fail"
        rule = f"`barq acl {facts.role or 'worker'}` prints the rule that allows it"
        return "bad", f"the user may not run {', '.join(facts.denied)}: {who} with PermissionDenied; {rule}"
    if facts.role is not None:
        return "ok", f"the user may run all that a {facts.role} needs"
    if facts.config is None:
        return "warn", "the user may not run CONFIG GET: durability fsync is refused, as it can't be checked"
    return "ok", "the user may run all that barq needs"


def _cluster(state: str) -> Verdict:
    if state != "ok":
        return "bad", f"the cluster is in state {state}: queues whose slot nobody serves stand still"
    return "ok", "a cluster: each queue lives in one slot, more queues use more nodes"


def _megabytes(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB"
