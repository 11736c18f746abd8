"""Submit: what is on disk after it, and what is not."""

from __future__ import annotations

import os

import pytest

from pdagent.outqueue import inbox, layout

KEY = "k" * 32
LIMITS = inbox.Limits(max_queue_bytes=1 << 30, min_free_bytes=0)


@pytest.fixture
def queue(tmp_path):
    layout.ensure(str(tmp_path))
    return str(tmp_path / "outqueue")


def test_an_accepted_event_is_one_file_in_pdq_and_nothing_in_tmp(queue):
    name = inbox.submit(queue, KEY, b"{}", limits=LIMITS, clock=lambda: 1_700_000_000_123_456_789)

    assert name == f"1700000000123456_{KEY}.txt"
    assert os.listdir(queue + "/pdq") == [name]
    assert os.listdir(queue + "/tmp") == []
    with open(f"{queue}/pdq/{name}", "rb") as file:
        assert file.read() == b"{}"
    assert os.stat(f"{queue}/pdq/{name}").st_mode & 0o7777 == 0o640


@pytest.mark.parametrize("step_ns", [-1000, -86_400 * 10**9, 0, 86_400 * 10**9])
def test_names_keep_the_order_of_submits_when_the_clock_steps(queue, step_ns):
    start = 1_700_000_000 * 10**9
    times = [start, start + step_ns, start + step_ns + 1000, start + 10**9]

    names = [inbox.submit(queue, KEY, b"{}", limits=LIMITS, clock=lambda t=t: t) for t in times]

    assert names == sorted(set(names))
