"""Run the checks as the daemon would meet the host: its user, its environment.

The checks run in a forked child, so that neither the dropped rights nor the borrowed
environment touch pd-doctor itself, which may still need root for --fix.
"""

from __future__ import annotations

import os
import pickle
import pwd
from collections.abc import Mapping
from typing import Callable, TypeVar

T = TypeVar("T")


class ChildError(Exception):
    """The child ended without an answer."""


def as_daemon(work: Callable[[], T], environ: Mapping[str, str], uid: int | None) -> T:
    """Return work()'s value, computed in a child with environ and, for root, as uid.

    Raises ChildError when the child dies.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _work_and_exit(work, environ, uid, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        raw = pipe.read()
    _, status = os.waitpid(pid, 0)
    if status or not raw:
        raise ChildError(f"the checks ended with status {os.waitstatus_to_exitcode(status)}")
    answer: T = pickle.loads(raw)  # noqa: S301 - written by our own child
    return answer


def _work_and_exit(
    work: Callable[[], T], environ: Mapping[str, str], uid: int | None, writer: int
) -> None:
    """Do the work and leave at once: a thread that hangs must not hold the answer back."""
    status = 1
    try:
        _become(uid)
        os.environ.clear()
        os.environ.update(environ)
        os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/sbin:/bin"
        with os.fdopen(writer, "wb") as pipe:
            pickle.dump(work(), pipe)
        status = 0
    finally:
        os._exit(status)


def _become(uid: int | None) -> None:
    if uid is None or os.geteuid() != 0 or uid == 0:
        return
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:  # service.user says that there is no such user
        return
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(uid, uid, uid)
