"""barq: background jobs for Python on Redis and Valkey."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from barq.backoff import Backoff, exponential, fixed
    from barq.bulk import Acted
    from barq.clock import Clock, ManualClock
    from barq.codec import Codec, JsonCodec
    from barq.durability import Durability, replicated
    from barq.enqueue import EnqueueOptions
    from barq.errors import (
        BarqError,
        EmbeddedServerError,
        InvalidPayload,
        InvalidType,
        InvalidValue,
        JobCancelled,
        JobFailed,
        JobNotFound,
        LeaseLost,
        NoSuchPage,
        NotConfirmed,
        PermissionDenied,
        ProcessDied,
        QueueFull,
        ResultTimeout,
        ServerError,
        ServerUnreachable,
        ServerUnsuitable,
        UnfitData,
        WorkerNotFound,
        WrongPartitions,
        WrongState,
    )
    from barq.events import Event, Progress
    from barq.job import Job
    from barq.listing import Page
    from barq.options import Retention
    from barq.outcome import ErrorInfo
    from barq.query import where
    from barq.queue import Queue
    from barq.search import Counted
    from barq.states import State
    from barq.task import Task, TaskOptions
    from barq.worker import Worker
    from barq.workers import WorkerInfo

__version__ = "0.1.0"

_HOME = {
    "Backoff": "backoff",
    "exponential": "backoff",
    "fixed": "backoff",
    "Acted": "bulk",
    "Clock": "clock",
    "ManualClock": "clock",
    "Codec": "codec",
    "JsonCodec": "codec",
    "Durability": "durability",
    "replicated": "durability",
    "EnqueueOptions": "enqueue",
    "BarqError": "errors",
    "EmbeddedServerError": "errors",
    "InvalidPayload": "errors",
    "InvalidType": "errors",
    "InvalidValue": "errors",
    "JobCancelled": "errors",
    "JobFailed": "errors",
    "JobNotFound": "errors",
    "LeaseLost": "errors",
    "NoSuchPage": "errors",
    "NotConfirmed": "errors",
    "PermissionDenied": "errors",
    "ProcessDied": "errors",
    "QueueFull": "errors",
    "ResultTimeout": "errors",
    "ServerError": "errors",
    "ServerUnreachable": "errors",
    "ServerUnsuitable": "errors",
    "UnfitData": "errors",
    "WorkerNotFound": "errors",
    "WrongPartitions": "errors",
    "WrongState": "errors",
    "Event": "events",
    "Progress": "events",
    "Job": "job",
    "Page": "listing",
    "Retention": "options",
    "ErrorInfo": "outcome",
    "where": "query",
    "Queue": "queue",
    "Counted": "search",
    "WorkerInfo": "workers",
    "State": "states",
    "Task": "task",
    "TaskOptions": "task",
    "Worker": "worker",
}

__all__ = [
    "Acted",
    "Backoff",
    "BarqError",
    "Clock",
    "Codec",
    "Counted",
    "Durability",
    "EmbeddedServerError",
    "EnqueueOptions",
    "ErrorInfo",
    "Event",
    "InvalidPayload",
    "InvalidType",
    "InvalidValue",
    "Job",
    "JobCancelled",
    "JobFailed",
    "JobNotFound",
    "JsonCodec",
    "LeaseLost",
    "ManualClock",
    "NoSuchPage",
    "NotConfirmed",
    "Page",
    "PermissionDenied",
    "ProcessDied",
    "Progress",
    "Queue",
    "QueueFull",
    "ResultTimeout",
    "Retention",
    "ServerError",
    "ServerUnreachable",
    "ServerUnsuitable",
    "State",
    "Task",
    "TaskOptions",
    "UnfitData",
    "Worker",
    "WorkerInfo",
    "WorkerNotFound",
    "WrongPartitions",
    "WrongState",
    "exponential",
    "fixed",
    "replicated",
    "where",
]


def __getattr__(name: str) -> Any:
    # each name is loaded when it is first used: `barq --help` needs none of them
    if name in _HOME:
        value = getattr(importlib.import_module(f"barq.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'barq' has no attribute {name!r}")
