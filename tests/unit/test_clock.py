"""The clock's randomness: what names claims must not come again, whatever the application does with its own."""

import os
import random

import pytest

import barq


def test_nonces_do_not_come_again_when_a_handler_seeds_its_randomness() -> None:
    clock = barq.clock.Clock()
    nonces = set()
    for _ in range(100):
        random.seed(1)
        nonces.add(clock.nonce())
    assert len(nonces) == 100


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # of pytest's own
def test_a_forked_process_has_nonces_of_its_own() -> None:
    clock = barq.clock.Clock()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, clock.nonce().encode())
        os._exit(0)
    os.waitpid(child, 0)
    told = os.read(reader, 100).decode()
    os.close(reader)
    os.close(writer)
    assert len(told) == 8
    assert told != clock.nonce()
