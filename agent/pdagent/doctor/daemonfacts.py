"""The daemon's process as /proc shows it."""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pdagent.doctor import isolate
from pdagent.settings import Settings

_FLOCK = struct.Struct("hhqqi4x")  # struct flock on 64-bit Linux, fcntl(2)


@dataclass(frozen=True)
class Process:
    """A running daemon.

    started_at: seconds since the epoch, reckoned from the boot clock.
    environ: its environment; None where the caller may not read it.
    """

    pid: int
    uid: int
    started_at: float
    environ: Mapping[str, str] | None


def find(settings: Settings, unit: Mapping[str, str], state: Mapping[str, Any]) -> Process | None:
    """Return the daemon that serves this queue, or None.

    systemd's word counts first, then the holder of the queue's lock, then the pid in
    the state file and the pid file, if such a process is a pdagentd.
    """
    named = [
        int(unit.get("MainPID") or 0) if settings.data_dir == "/var/lib/pdagent" else 0,
        lock_holder(os.path.join(settings.outqueue_dir, "dequeue.lock")),
        state.get("pid"),
        _pid_in(settings.pid_file),
    ]
    for pid in named:
        if isinstance(pid, int) and pid > 0 and _is_daemon(pid):
            return _process(pid)
    return None


def lock_holder(path: str) -> int:
    """Return the pid that holds the lock on path, 0 for nobody; takes no lock itself."""
    try:
        with open(path, "rb") as file:
            asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            answer = fcntl.fcntl(file, fcntl.F_GETLK, asked)
    except OSError:
        return 0
    kind, _, _, _, pid = _FLOCK.unpack(answer)
    return 0 if kind == fcntl.F_UNLCK else int(pid)


def _pid_in(path: str) -> int:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            text = file.read(32).strip()
    except OSError:
        return 0
    return int(text) if text.isdigit() else 0


def _is_daemon(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"pdagentd" in file.read()
    except OSError:
        return False


def _process(pid: int) -> Process | None:
    try:
        uid = os.stat(f"/proc/{pid}").st_uid
        started_at = _started_at(pid)
    except (OSError, ValueError, IndexError):
        return None
    return Process(pid, uid, started_at, environ_of(pid) or _environ_as(uid, pid))


def _started_at(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        ticks = int(file.read().rpartition(")")[2].split()[19])
    with open("/proc/uptime", encoding="ascii") as file:
        uptime = float(file.read().split()[0])
    return time.time() - (uptime - ticks / os.sysconf("SC_CLK_TCK"))


def _environ_as(uid: int, pid: int) -> dict[str, str] | None:
    """Ask as the process's own user: root without CAP_SYS_PTRACE, as in containers, may not."""
    if os.geteuid() != 0:
        return None
    try:
        return isolate.as_daemon(lambda: environ_of(pid), os.environ, uid)
    except isolate.ChildError:
        return None


def environ_of(pid: int) -> dict[str, str] | None:
    """Return the environment a process was started with, None where it may not be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            entries = file.read().split(b"\0")
    except OSError:
        return None
    pairs = (entry.decode("utf-8", "replace").partition("=") for entry in entries if entry)
    return {name: value for name, _, value in pairs}
