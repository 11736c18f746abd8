"""The ledger: order and size of the queue for those who cannot list it: promise 4."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pdagent.outqueue import ledger

NOW_US = 1_700_000_000_000_000
DAY_US = 86_400_000_000


def reserve(queue, now_us, size=10):
    return ledger.reserve(queue, size, lambda: now_us * 1000)


@pytest.fixture
def path(queue):
    return os.path.join(queue, "ledger")


def test_the_first_name_takes_the_clock(queue, path):
    assert reserve(queue, NOW_US) == NOW_US
    with open(path, "rb") as file:
        assert file.read() == b"1700000000000000 0000000000000010\n"


@pytest.mark.parametrize("step_us", [0, -1, -1_000_000, -DAY_US, -2 * DAY_US + 1])
def test_a_clock_that_went_back_continues_after_the_last_name(queue, step_us):
    reserve(queue, NOW_US)

    assert reserve(queue, NOW_US + step_us) == NOW_US + 1
    assert reserve(queue, NOW_US + step_us) == NOW_US + 2


def test_a_name_from_a_wrong_year_does_not_push_all_others_there(queue):
    reserve(queue, NOW_US + 3 * DAY_US)

    assert reserve(queue, NOW_US) == NOW_US


def test_bytes_add_up_and_never_fall_below_nothing(queue):
    reserve(queue, NOW_US, 100)
    ledger.add(queue, 50)
    assert ledger.queued_bytes(queue) == 150
    ledger.add(queue, -1000)
    assert ledger.queued_bytes(queue) == 0
    ledger.correct(queue, 77)
    assert ledger.queued_bytes(queue) == 77
    assert reserve(queue, NOW_US) == NOW_US + 1


def damage(text):
    def apply(path):
        with open(path, "wb") as file:
            file.write(text)

    return apply


def replace(make):
    def apply(path):
        os.unlink(path)
        make(path)

    return apply


DAMAGES = {
    "missing": os.unlink,
    "empty": damage(b""),
    "binary": damage(b"\xff\x00" * 40),
    "one number": damage(b"1700000000000000"),
    "three numbers": damage(b"1 2 3"),
    "far future": damage(b"9999999999999999 0000000000000000\n"),
    "negative": damage(b"-5 -5\n"),
    "huge": damage(b"9" * 33 + b" 1"),
    "fifo": replace(os.mkfifo),
    "directory": replace(os.mkdir),
    "symlink": replace(lambda path: os.symlink("/etc/passwd", path)),
    "dangling": replace(lambda path: os.symlink("/nowhere", path)),
}


@pytest.mark.parametrize("apply", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_ledger_means_that_names_follow_the_clock(queue, path, apply):
    apply(path)

    assert reserve(queue, NOW_US) == NOW_US
    assert ledger.queued_bytes(queue) <= 10


def test_a_neighbour_who_keeps_the_lock_stops_nobody(queue, path):
    hold = "import os, sys; f = open(sys.argv[1], 'r+'); os.lockf(f.fileno(), os.F_LOCK, 0); "
    neighbour = subprocess.Popen(
        [sys.executable, "-c", hold + "print('held', flush=True); sys.stdin.read()", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert neighbour.stdout.readline() == b"held\n"

    assert reserve(queue, NOW_US) == NOW_US

    neighbour.communicate()


def test_who_is_at_the_ledger_is_waited_for(queue, path, monkeypatch):
    code = (
        "import os, sys; f = open(sys.argv[1], 'r+b', 0); os.lockf(f.fileno(), os.F_LOCK, 0)\n"
        "print('held', flush=True); sys.stdin.read()\n"
        "f.write(b'%016d %016d\\n' % (int(sys.argv[2]), 100))"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, path, str(NOW_US + 5)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdout.readline() == b"held\n"
    monkeypatch.setattr(ledger.time, "sleep", lambda _seconds: other.communicate())

    assert reserve(queue, NOW_US) == NOW_US + 6
    assert ledger.queued_bytes(queue) == 110


def test_submitters_at_the_same_time_are_counted_once_each(queue):
    work = (
        "import sys, time; from pdagent.outqueue import ledger\n"
        "ledger._LOCK_TRIES = 10**6\n"  # none goes on without the lock, however slow another is
        "for _ in range(50): ledger.reserve(sys.argv[1], 3, time.time_ns)"
    )
    crowd = [subprocess.Popen([sys.executable, "-c", work, queue], cwd="agent") for _ in range(4)]

    assert [one.wait() for one in crowd] == [0] * 4
    assert ledger.queued_bytes(queue) == 4 * 50 * 3
