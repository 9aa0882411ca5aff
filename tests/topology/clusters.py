"""A cluster of six nodes on the loopback, three of them owners with a replica each, and what a test does to it."""

import itertools
import time
from pathlib import Path

from barq.store.cluster import SLOTS, slot_of
from tests.support import Server, free_port, wait_until
from tests.topology.replicas import QUICK, tell, thaw

NODE_TIMEOUT_MS = 1000


class Node(Server):
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        super().__init__(
            folder,
            *QUICK,
            *("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS)),
            *("--cluster-port", str(free_port()), "--cluster-replica-validity-factor", "0"),
            *("--cluster-require-full-coverage", "no"),  # the others go on while an owner is being replaced
        )

    @property
    def bus(self) -> str:
        return self.options[self.options.index("--cluster-port") + 1]

    @property
    def id(self) -> str:
        return str(tell(self, "CLUSTER", "MYID"))

    def state(self) -> dict[str, str]:
        lines = str(tell(self, "CLUSTER", "INFO")).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def is_primary(self) -> bool:
        reply = tell(self, "ROLE")
        return isinstance(reply, list) and reply[0] == "master"


class ClusterOfSix:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.nodes = [Node(folder / f"node {number}") for number in range(1, 7)]

    @property
    def url(self) -> str:
        return f"redis+cluster://{','.join(f'{node.host}:{node.port}' for node in self.nodes)}"

    @property
    def living(self) -> list[Node]:
        return [node for node in self.nodes if node.running]

    def start(self) -> "ClusterOfSix":
        for node in self.nodes:
            node.start()
        owners, replicas = self.nodes[:3], self.nodes[3:]
        for number, owner in enumerate(owners):
            tell(owner, "CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
            first, last = SLOTS * number // 3, SLOTS * (number + 1) // 3 - 1
            tell(owner, "CLUSTER", "ADDSLOTSRANGE", str(first), str(last))
        for node in self.nodes[1:]:
            self.meet(node)
        for owner, replica in zip(owners, replicas, strict=True):
            wait_until(lambda replica=replica, owner=owner: self._follows(replica, owner), "a replica follows")
        wait_until(self.is_whole, "the cluster is whole")
        return self

    def stop(self) -> None:
        for node in self.nodes:
            thaw(node)
            if node.running:
                node.kill()

    def add(self) -> Node:
        """A new node without slots."""
        node = Node(self._folder / f"node {len(self.nodes) + 1}")
        node.start()
        self.nodes.append(node)
        self.meet(node)
        wait_until(lambda: all(node.id in str(tell(other, "CLUSTER", "NODES")) for other in self.living), "all know it")
        wait_until(lambda: node.state()["cluster_state"] == "ok", "it knows the others")
        return node

    def meet(self, node: Node) -> None:
        first = self.nodes[0]
        tell(node, "CLUSTER", "MEET", first.host, str(first.port), first.bus)

    def is_whole(self) -> bool:
        return all(
            (state := node.state())["cluster_state"] == "ok" and state["cluster_known_nodes"] == str(len(self.nodes))
            for node in self.living
        )

    def owner(self, queue: str) -> Node:
        """The node that owns the queue's slot, by what that node says itself."""
        found = self._owners(queue)
        assert found, f"nobody owns the slot of {queue}"
        return found[0]

    def has_owner(self, queue: str) -> bool:
        return bool(self._owners(queue))

    def _owners(self, queue: str) -> list[Node]:
        return [node for node in self.living if node.is_primary() and slot_of(queue) in _slots_of(node)]

    def replica_of(self, owner: Node) -> Node:
        id = owner.id
        for node in self.living:
            if f" {id} " in next(line for line in str(tell(node, "CLUSTER", "NODES")).splitlines() if "myself" in line):
                return node
        raise AssertionError("it has no replica")

    def move_slot(self, slot: int, source: Node, target: Node) -> None:
        """Key by key, as redis-cli does, and slowly: for a moment some keys are here and some there."""
        tell(target, "CLUSTER", "SETSLOT", str(slot), "IMPORTING", source.id)
        tell(source, "CLUSTER", "SETSLOT", str(slot), "MIGRATING", target.id)
        while keys := tell(source, "CLUSTER", "GETKEYSINSLOT", str(slot), "3"):
            assert isinstance(keys, list)
            tell(source, "MIGRATE", target.host, str(target.port), "", "0", "5000", "KEYS", *map(str, keys))
            time.sleep(0.1)
        for node in (target, source, *(other for other in self.living if other.is_primary())):
            tell(node, "CLUSTER", "SETSLOT", str(slot), "NODE", target.id)

    def queues_on_all(self, prefix: str) -> list[str]:
        """Names of three queues, each with another owner."""
        found: dict[int, str] = {}
        for number in itertools.count():
            name = f"{prefix}-{number}"
            found.setdefault(slot_of(name) * 3 // SLOTS, name)
            if len(found) == 3:
                return list(found.values())
        raise AssertionError

    def _follows(self, replica: Node, owner: Node) -> bool:
        if owner.id not in str(tell(replica, "CLUSTER", "NODES")):
            return False
        if replica.is_primary():
            tell(replica, "CLUSTER", "REPLICATE", owner.id)
        return "master_link_status:up" in str(tell(replica, "INFO", "replication"))


def _slots_of(node: Node) -> set[int]:
    line = next(line for line in str(tell(node, "CLUSTER", "NODES")).splitlines() if "myself" in line)
    found: set[int] = set()
    for word in line.split()[8:]:
        if not word.startswith("["):
            first, _, last = word.partition("-")
            found.update(range(int(first), int(last or first) + 1))
    return found
