"""Durability: how safe a job must be before its enqueue returns. Kept by store/durable.py; docs/durability.md has the rest."""

from typing import Any, Final

import msgspec

from barq.errors import InvalidType, InvalidValue, shown
from barq.options import whole_number

MOST_REPLICAS: Final = 100


class Durability(msgspec.Struct, frozen=True):
    """What has to hold before an acknowledgement: written to disk (`fsync`), or held by so many replicas as well."""

    fsync: bool = False
    replicas: int = 0

    def __str__(self) -> str:
        return f"replicated({self.replicas})" if self.replicas else "fsync" if self.fsync else "local"


LOCAL: Final = Durability()
FSYNC: Final = Durability(fsync=True)


def replicated(replicas: int = 1) -> Durability:
    """Acknowledge a job when that many replicas hold it besides the primary.

    >>> str(replicated(2))
    'replicated(2)'
    """
    return Durability(replicas=whole_number("replicas", replicas, least=1, most=MOST_REPLICAS))


_NAMED: Final = {"local": LOCAL, "fsync": FSYNC, "replicated": Durability(replicas=1)}


def durability_of(value: Any) -> Durability:
    """
    >>> str(durability_of("replicated"))
    'replicated(1)'
    """
    if isinstance(value, Durability):
        return value
    if isinstance(value, str) and value in _NAMED:
        return _NAMED[value]
    kind = InvalidValue if isinstance(value, str) else InvalidType
    raise kind(f"durability must be 'local', 'fsync', 'replicated' or barq.replicated(n), got {shown(value)}")
