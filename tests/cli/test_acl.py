"""`barq acl`: a rule for the server, and nothing else."""

import pytest

from barq import rights
from tests.cli.support import Cli


@pytest.mark.parametrize("role", ["producer", "viewer"])
def test_acl_prints_the_rule_of_a_role(cli: Cli, role: rights.Role) -> None:
    assert cli("acl", role, "--queue", "orders").out == rights.rule(role, "orders") + "\n"


def test_acl_names_the_keys_of_partitions_when_there_are_some(cli: Cli) -> None:
    told = cli("acl", "worker", "--queue", "orders", "--partitions", 16, "--json").json
    assert told["rule"].split()[2:6] == [
        "~barq:{orders}:*",
        "~barq:{orders/[0-9]}:*",
        "~barq:{orders/[0-9][0-9]}:*",
        "-@all",
    ]
    assert cli("acl", "worker", "--partitions", 0).code == 2
