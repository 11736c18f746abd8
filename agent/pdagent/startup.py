"""What must be true before the daemon works: user, directories, agent id, one consumer."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
import uuid
from collections.abc import Iterator
from typing import IO

from pdagent.files import remove, write_text
from pdagent.outqueue import layout
from pdagent.settings import Settings

LOCK_SECONDS = 5.0
"""How long a daemon that is just ending is waited for."""

STATE_DIRS_HINT = "Run /usr/share/pdagent/state-dirs as root to make the directories anew."


class StartError(Exception):
    """The daemon cannot start; the text says why and what to do, for standard error."""


@contextlib.contextmanager
def _in_words(path: str) -> Iterator[None]:
    """Turn what the system says about `path` or below it into a StartError."""
    try:
        yield
    except OSError as exc:
        where = exc.filename or path
        raise StartError(f"{where}: {exc.strerror}. {STATE_DIRS_HINT}") from None


def check_user(settings: Settings) -> bool:
    """Make sure that the daemon is the owner of its data; True when that owner is root."""
    try:
        owner = os.stat(settings.data_dir).st_uid
    except FileNotFoundError:
        owner = os.geteuid()
    except OSError as exc:
        raise StartError(f"{settings.data_dir}: {exc.strerror}") from None
    if os.geteuid() == 0 and owner != 0:
        raise StartError("Agent should not be run as root. Use: sudo service pdagent <command>")
    return os.geteuid() == 0


def make_directories(settings: Settings) -> None:
    """Create what is missing and make sure that the rest can be written to."""
    with _in_words(settings.data_dir):
        layout.ensure(settings.data_dir)
        if not os.path.isdir(settings.run_dir):
            os.makedirs(settings.run_dir)
            os.chmod(settings.run_dir, layout.MODES[""])
    needed = [os.path.join(settings.data_dir, path) for path in layout.MODES if path]
    barred = [
        path
        for path in (*needed, settings.run_dir)
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK)
    ]
    if barred:
        listed = "\n".join(
            f"Can't read and write {path}, please check permissions" for path in barred
        )
        raise StartError(f"{listed}\nAgent may be running as the wrong user. {STATE_DIRS_HINT}")


def make_answers_directory(run_dir: str) -> str:
    """Create the directory of answers for waiting submitters: to be entered, not listed."""
    path = os.path.join(run_dir, layout.ANSWERS)
    with _in_words(path):
        os.makedirs(path, exist_ok=True)
        os.chmod(path, layout.ANSWERS_MODE)
    return path


def make_wake_fifo(path: str) -> int:
    """Create the FIFO that submitters write to and return it open; never blocks."""
    with _in_words(path):
        if not _is_own_fifo(path):
            remove(path)
            os.mkfifo(path)
        os.chmod(path, layout.WAKE_MODE)
        # Read and write: with no reader of its own side a FIFO reports end of file for ever.
        return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)


def _is_own_fifo(path: str) -> bool:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    return stat.S_ISFIFO(found.st_mode) and found.st_uid == os.geteuid()


def agent_id(path: str) -> str:
    """Return the UUID that names this agent to PagerDuty, made at the first start."""
    try:
        with open(path, encoding="ascii") as file:
            text = file.read(100).strip()
    except FileNotFoundError:
        text = str(uuid.uuid4())
        with _in_words(path):
            write_text(path, text + "\n", 0o644)
    except (OSError, UnicodeDecodeError) as exc:
        raise StartError(f"Cannot read the agent id at {path}: {exc}") from None
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise StartError(
            f"Bad agent id in {path}: {text[:40]!r} is not a UUID. Remove the file, and the "
            "agent makes a new one."
        ) from None


def become_consumer(queue: str, seconds: float = LOCK_SECONDS) -> IO[str]:
    """Take the lock that makes this process the queue's only consumer, for its life.

    The lock is the kernel's, so a killed daemon leaves none behind; the file stays.
    """
    path = os.path.join(queue, layout.LOCK)
    with _in_words(path):
        file = os.fdopen(
            os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640), "r+"
        )
    until = time.monotonic() + seconds
    while True:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            if time.monotonic() > until:
                holder = file.read(20).strip() or "?"
                raise StartError(
                    f"Another pdagentd (pid {holder}) sends from {queue}. Stop it first."
                ) from None
            time.sleep(0.05)
    file.seek(0)
    file.truncate()
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file
