"""Submitting to small, full and read-only disks, really mounted: promises 1 and 10."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from pdagent.outqueue import inbox, layout
from pdagent.outqueue.inbox import COULD_NOT, REFUSED, Limits, SubmitError

LIMITS = Limits(max_queue_bytes=1 << 30, min_free_bytes=0)
NOTHING = {"tmp": [], "pdq": [], "suc": [], "err": []}


def submit(queue, body=b"{}", limits=LIMITS):
    return inbox.submit(queue, "k" * 32, body, limits=limits)


def files(queue):
    return {state: sorted(os.listdir(f"{queue}/{state}")) for state in layout.STATES}


def refusal(queue, **more):
    with pytest.raises(SubmitError) as refused:
        submit(queue, **more)
    return refused.value


@pytest.fixture
def small_disk(tmp_path):
    """Mount a tmpfs of a given size with a queue on it."""
    mounted = []

    def mount(options):
        directory = tmp_path / "disk"
        directory.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", directory], check=True)
        mounted.append(directory)
        layout.ensure(str(directory))
        return str(directory / "outqueue")

    yield mount
    for directory in mounted:
        subprocess.run(["umount", directory], check=True)


def test_a_full_disk_is_refused_and_leaves_nothing_of_the_event(small_disk):
    queue = small_disk("size=64k")

    error = refusal(queue, body=b"x" * 100_000)

    assert re.fullmatch(
        rf"Event not queued: No room at {queue}.*; free some disk space \(No space left.*\)",
        str(error),
    )
    assert error.exit_code == REFUSED
    assert files(queue) == NOTHING


def test_free_inodes_run_out_before_the_disk_is_full(small_disk):
    queue = small_disk("size=10m,nr_inodes=40")

    error = refusal(queue, limits=Limits(1 << 30, 1))

    assert "Event refused: fewer than 100 inodes free at" in str(error)
    assert error.exit_code == REFUSED
    assert files(queue) == NOTHING


def test_without_a_floor_the_last_inode_is_used_and_then_refused(small_disk):
    queue = small_disk("size=10m,nr_inodes=10")
    names = []

    with pytest.raises(SubmitError) as refused:
        names.extend(submit(queue) for _ in range(20))

    assert refused.value.exit_code == REFUSED
    assert files(queue)["tmp"] == []
    assert 0 < len(files(queue)["pdq"]) < 10


def test_the_disk_floor_is_kept(small_disk):
    queue = small_disk("size=10m")

    error = refusal(queue, limits=Limits(1 << 30, 50 * 1024 * 1024))

    assert str(error) == (
        f"Event refused: less than 50 MiB free at {queue} (min_free_mb); free some disk space"
    )
    assert error.exit_code == REFUSED
    assert submit(queue, limits=Limits(1 << 30, 5 * 1024 * 1024))


def test_a_read_only_queue_is_named(small_disk):
    queue = small_disk("size=1m")
    subprocess.run(["mount", "-o", "remount,ro", os.path.dirname(queue)], check=True)

    error = refusal(queue)

    assert f"Can't write to directory {queue}/tmp, please check permissions (Read-only" in str(
        error
    )
    assert error.exit_code == COULD_NOT
