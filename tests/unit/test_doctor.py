"""Doctor: each finding from the facts that lead to it."""

import re
from typing import Any

import pytest

from barq.doctor import Facts, Finding, diagnose, worst

GOOD = {
    "valkey_version": "9.1.0",
    "role": "master",
    "aof_enabled": "1",
    "aof_last_write_status": "ok",
    "rdb_last_bgsave_status": "ok",
    "maxmemory_policy": "noeviction",
    "maxmemory": "1000000",
    "used_memory": "500000",
    "connected_clients": "5",
    "maxclients": "10000",
    "connected_slaves": "0",
    "master_repl_offset": "0",
}
REPLICA = "ip=10.0.0.2,port=6379,state=online,offset=90,lag=0"


def finding(check: str, *, without: str = "", info: dict[str, str] | None = None, **facts: Any) -> Finding:
    told = {name: value for name, value in {**GOOD, **(info or {})}.items() if name != without}
    facts.setdefault("config", {"appendfsync": "always"})
    (found,) = [one for one in diagnose(Facts(info=told, **facts)) if one.check == check]
    return found


def test_a_good_server_is_ok_throughout() -> None:
    findings = diagnose(Facts(info=GOOD, config={"appendfsync": "always"}, latency_ms=0.3))
    assert {one.mark for one in findings} == {"ok"}
    assert worst(findings) == "ok"
    assert len({one.check for one in findings}) == len(findings) == 11


@pytest.mark.parametrize(
    ("check", "mark", "says", "info"),
    [
        ("version", "bad", "valkey 7.1.9: barq refuses it, it needs 7.2 at least", {"valkey_version": "7.1.9"}),
        ("role", "bad", "read-only replica", {"role": "slave"}),
        ("persistence", "bad", "a crash loses every job since the last snapshot", {"aof_enabled": "0"}),
        ("disk", "bad", "the last write to disk failed", {"aof_last_write_status": "err"}),
        ("disk", "bad", "the last write to disk failed", {"rdb_last_bgsave_status": "err"}),
        ("eviction", "bad", "allkeys-lru: jobs vanish", {"maxmemory_policy": "allkeys-lru"}),
        ("eviction", "warn", "without effect", {"maxmemory_policy": "allkeys-lru", "maxmemory": "0"}),
        ("memory", "warn", "no maxmemory", {"maxmemory": "0"}),
        ("memory", "warn", "95% of 1.0 MB used: at 100%", {"used_memory": "950000"}),
        ("memory", "bad", "100% of 1.0 MB used: new jobs are refused", {"used_memory": "1000000"}),
        ("replication", "ok", r"1 replicas follow: .*replicated\(1\)", {"connected_slaves": "1", "slave0": REPLICA}),
        ("replication", "warn", "10.0.0.2:6379 is in state wait_bgsave",
         {"connected_slaves": "1", "slave0": REPLICA.replace("online", "wait_bgsave")}),
        ("replication", "warn", "5.0 MB behind: a failover to it loses that",
         {"connected_slaves": "1", "slave0": REPLICA, "master_repl_offset": "5000090"}),
        ("clients", "warn", "9000 of 10000 connections in use: beyond that", {"connected_clients": "9000"}),
    ],
)  # fmt: skip
def test_what_info_tells(check: str, mark: str, says: str, info: dict[str, str]) -> None:
    found = finding(check, info=info)
    assert found.mark == mark
    assert re.search(says, found.says), found.says


@pytest.mark.parametrize(
    ("version", "mark"), [("6.0.16", "bad"), ("6.2.14", "warn"), ("7.0.15", "ok"), ("8.2.1", "ok")]
)
def test_versions_of_redis(version: str, mark: str) -> None:
    assert finding("version", without="valkey_version", info={"redis_version": version}).mark == mark


@pytest.mark.parametrize(
    ("appendfsync", "mark", "says"),
    [
        ("always", "ok", "loses no acknowledged job"),
        ("everysec", "ok", "one to two seconds"),
        ("no", "warn", "half a minute"),
        (None, "warn", "can't be read"),
    ],
)
def test_how_often_the_file_is_synced(appendfsync: str | None, mark: str, says: str) -> None:
    found = finding("persistence", config={"appendfsync": appendfsync} if appendfsync else None)
    assert (found.mark, says in found.says) == (mark, True), found


@pytest.mark.parametrize(
    ("facts", "check", "mark", "says"),
    [
        ({"clock_ms": 3_600_000}, "clock", "warn", "3600 s ahead of ours"),
        ({"clock_ms": -1500}, "clock", "warn", "1.5 s behind ours"),
        ({"clock_ms": 900}, "clock", "ok", "within a second"),
        ({"latency_ms": 20.0}, "latency", "warn", "stores 50 a second at most"),
        ({"denied": ["EVAL", "XREAD"]}, "permissions", "bad", "may not run EVAL, XREAD"),
        ({"config": None}, "permissions", "warn", "CONFIG GET"),
        ({"cluster_state": "fail"}, "cluster", "bad", "stand still"),
        ({"cluster_state": "ok"}, "cluster", "ok", "each queue lives in one slot"),
    ],
)
def test_what_was_measured(facts: dict[str, Any], check: str, mark: str, says: str) -> None:
    found = finding(check, **facts)
    assert (found.mark, says in found.says) == (mark, True), found


def test_a_server_that_tells_nothing_is_judged_without_a_crash() -> None:
    assert worst(diagnose(Facts(info={}))) == "bad"
    assert worst([Finding("a", "ok", ""), Finding("b", "warn", "")]) == "warn"
