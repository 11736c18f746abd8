"""Room for the queue and the log."""

from __future__ import annotations

import os
from typing import Any

from pdagent.doctor.check import FAIL, OK, WARN, Check, Finding, Results, ok, skip
from pdagent.doctor.host import Context
from pdagent.outqueue.inbox import MIN_FREE_INODES

_LOW_SHARE = 0.05
_MIB = 1024 * 1024


def _places(context: Context) -> dict[str, os.statvfs_result]:
    """Return the existing directories that the agent writes to, one for each file system."""
    settings = context.settings
    wanted = [settings.data_dir, os.path.dirname(settings.log_file)]
    found: dict[str, os.statvfs_result] = {}
    devices = set()
    for path in wanted:
        if path and os.path.isdir(path) and os.stat(path).st_dev not in devices:
            devices.add(os.stat(path).st_dev)
            found[path] = os.statvfs(path)
    return found


def space(context: Context, _results: Results) -> Finding:
    """Compare the free space with the floor below which submits are refused."""
    places = _places(context)
    if not places:
        return skip("neither the data directory nor the log's exists")
    free = {path: info.f_bavail * info.f_frsize // _MIB for path, info in places.items()}
    for path, info in places.items():
        share = info.f_bavail / max(1, info.f_blocks)
        floor = context.settings.min_free_mb
        if path == context.settings.data_dir and free[path] < floor:
            seen = f"{free[path]} MiB free in {path}: new events are refused"
            return _full(FAIL, path, seen, f"at least min_free_mb = {floor} MiB", free)
        if free[path] == 0:
            return _full(FAIL, path, f"{path} is full", "free space", free)
        if share < _LOW_SHARE:
            seen = f"{free[path]} MiB ({share:.0%}) free in {path}"
            return _full(WARN, path, seen, f"at least {_LOW_SHARE:.0%} free", free)
    return ok(
        ", ".join(f"{_size(mib)} free in {path}" for path, mib in free.items()), free_mib=free
    )


def _size(mib: int) -> str:
    return f"{mib / 1024:.1f} GiB" if mib >= 1024 else f"{mib} MiB"


def _full(status: str, path: str, seen: str, expected: str, free: dict[str, int]) -> Finding:
    return Finding(
        status,
        seen,
        expected=expected,
        fix="delete or move the largest of what this lists",
        command=f"sudo du -xahS {_mount_of(path)} | sort -h | tail -n 20",
        detail={"free_mib": free},
    )


def _mount_of(path: str) -> str:
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


def inodes(context: Context, _results: Results) -> Finding:
    """Compare the free inodes with what the queue needs."""
    counted = {path: info for path, info in _places(context).items() if info.f_files}
    free = {path: info.f_favail for path, info in counted.items()}
    for path, info in counted.items():
        too_few = info.f_favail < MIN_FREE_INODES
        if too_few or info.f_favail / info.f_files < _LOW_SHARE:
            return _few_inodes(FAIL if too_few else WARN, path, free)
    if not counted:
        return ok("this file system does not count inodes")
    least = min(free.values())
    return Finding(OK, f"{least:,} inodes free", detail={"free": free})


def _few_inodes(status: str, path: str, free: dict[str, Any]) -> Finding:
    return Finding(
        status,
        f"{free[path]} inodes free in {path}",
        expected=f"at least {_LOW_SHARE:.0%}: every event is a file",
        fix="delete the small files of the directory that has the most",
        command=f"sudo du -x --inodes {_mount_of(path)} | sort -n | tail -n 20",
        detail={"free": free},
    )


CHECKS = (
    Check(
        id="disk.space",
        group="system",
        question="Is there room for events and logs?",
        guide="outqueue-troubleshooting",
        run=space,
    ),
    Check(
        id="disk.inodes",
        group="system",
        question="Are there inodes for events and logs?",
        guide="outqueue-troubleshooting",
        run=inodes,
    ),
)
