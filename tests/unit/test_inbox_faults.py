"""Every system call of a submit fails once, and the event is there or it is not: promise 1.

The calls are the real ones; only the failing one is answered with an error, as a dying disk
or a busy system would answer it.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat

import pytest

from pdagent.outqueue import inbox, ledger
from pdagent.outqueue.inbox import COULD_NOT, REFUSED, Limits, SubmitError

CALLS = (
    *("statvfs", "open", "write", "fchmod", "fsync", "link", "unlink", "close"),
    *("pread", "pwrite", "lockf"),
)
# Calls whose failure the event survives: the ledger, the wake-up and tidying up.
HARMLESS = {"pread", "pwrite", "lockf", "unlink", "close"}


class Faults:
    """Stands in for the os module and lets one call of one function fail."""

    def __init__(self, name, number, error):
        self._name, self._left, self._error = name, number, error
        self.failed = ""

    def __getattr__(self, name):
        real = getattr(os, name)
        if name != self._name:
            return real

        def call(*args, **more):
            self._left -= 1
            if self._left != 0:
                return real(*args, **more)
            self.failed = f"{name}{args}"
            if name == "close":  # the descriptor is gone even so
                real(*args, **more)
            raise self._error

        return call


def submit_with(monkeypatch, queue, faults):
    monkeypatch.setattr(inbox, "os", faults)
    monkeypatch.setattr(inbox.ledger, "os", faults)
    monkeypatch.setattr(inbox.layout, "os", faults)
    fifo = os.path.join(os.path.dirname(queue), "wake")
    if not os.path.exists(fifo):
        os.mkfifo(fifo)
        os.chmod(fifo, 0o666)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return inbox.submit(queue, "k" * 32, b"{}", limits=Limits(1 << 30, 1), wake_fifo=fifo)
    finally:
        os.close(reader)


def outcome_of(monkeypatch, queue, faults):
    """Submit; returns the error or None, having checked that the queue agrees."""
    name, error = None, None
    try:
        name = submit_with(monkeypatch, queue, faults)
    except SubmitError as raised:
        error = raised
    assert os.listdir(f"{queue}/pdq") == [name] * (error is None)
    for state in ("pdq", "tmp"):
        for left in os.listdir(f"{queue}/{state}"):
            with open(f"{queue}/{state}/{left}", "rb") as file:
                assert file.read() == b"{}"
            os.unlink(f"{queue}/{state}/{left}")
    return error


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EMFILE, errno.EACCES])
@pytest.mark.parametrize("name", CALLS)
def test_accepted_means_there_and_refused_means_not(monkeypatch, queue, name, code):
    for number in itertools.count(1):
        faults = Faults(name, number, OSError(code, os.strerror(code)))
        error = outcome_of(monkeypatch, queue, faults)
        if not faults.failed:
            break
        if name in HARMLESS:
            assert error is None
        elif error is not None:
            assert error.exit_code == (REFUSED if code == errno.ENOSPC else COULD_NOT)
            assert "\n" not in str(error)
    assert number > 1
    assert error is None


def test_the_calls_named_here_are_those_that_are_made(monkeypatch, queue):
    made = set()

    class Recorder:
        def __getattr__(self, name):
            made.add(name)
            return getattr(os, name)

    submit_with(monkeypatch, queue, Recorder())

    calls = {name for name in made if name.islower() and name not in ("path", "strerror")}
    assert calls == set(CALLS)


class SyncRecorder:
    """Stands in for the os module and notes what is synced, with its number of links."""

    def __init__(self):
        self.synced = []

    def __getattr__(self, name):
        return self.fsync if name == "fsync" else getattr(os, name)

    def fsync(self, fd):
        status = os.fstat(fd)
        self.synced.append("directory" if stat.S_ISDIR(status.st_mode) else status.st_nlink)
        os.fsync(fd)


def test_the_file_is_synced_before_it_is_visible_and_its_entry_after(monkeypatch, queue, as_nobody):
    by_root, by_nobody = SyncRecorder(), SyncRecorder()

    submit_with(monkeypatch, queue, by_root)
    as_nobody(lambda: submit_with(monkeypatch, queue, by_nobody))

    assert by_root.synced == [1, "directory"]
    # Who may not open pdq syncs the linked file, and the link with it.
    assert by_nobody.synced == [1, 2]


@pytest.mark.parametrize("number", [1, 2])
def test_an_interrupt_while_syncing_leaves_nothing_in_the_queue(monkeypatch, queue, number):
    faults = Faults("fsync", number, KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        submit_with(monkeypatch, queue, faults)

    assert [os.listdir(f"{queue}/{state}") for state in ("tmp", "pdq")] == [[], []]
    assert ledger.queued_bytes(queue) == 0
