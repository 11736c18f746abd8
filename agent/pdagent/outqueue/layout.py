"""Where things stand in the queue: directories, modes, file names.

Users' scripts and PagerDuty's troubleshooting guide rely on these names. An event is one file
``<microseconds since 1970>_<integration key>.txt`` that holds the body of the request; plain
string order of the names is the order of the queue.
"""

from __future__ import annotations

import os

TMP, PDQ, SUC, ERR = "tmp", "pdq", "suc", "err"
STATES = (TMP, PDQ, SUC, ERR)

# Path below data_dir -> mode. In tmp and pdq every local user may create (the group that the
# daemon reads by is inherited), nobody may list, and only the owner may remove.
MODES = {
    "": 0o755,
    "db": 0o755,
    "outqueue": 0o755,
    "outqueue/tmp": 0o3733,
    "outqueue/pdq": 0o3733,
    "outqueue/suc": 0o2750,
    "outqueue/err": 0o2750,
}
EVENT_MODE = 0o640
LEDGER_MODE = 0o666
WAKE_MODE = 0o622

LOCK = "dequeue.lock"
LEDGER = "ledger"
HOLD = "hold"
# Below run_dir: why an event went to err, for the submitter who waits; nobody may list it.
ANSWERS = "answers"
ANSWERS_MODE = 0o711

TIME_DIGITS = 16
_SUFFIX = ".txt"
_REASON_SUFFIX = ".json"

# 1.x's limit: a bigger file in pdq is no event, and counts no more than this in the queue's size
# (a sparse file of a terabyte must not make the queue look full). Submitting stops at 512 KB;
# what lies between is PagerDuty's to judge.
MAX_EVENT_BYTES = 4 * 1024 * 1024


def name(time_us: int, key: str) -> str:
    """Return the file name of an event of `key` queued at `time_us` (microseconds)."""
    return f"{time_us:0{TIME_DIGITS}d}_{key}{_SUFFIX}"


def parse(file_name: str) -> tuple[int, str] | None:
    """Return (microseconds, key) of an event's file name, or None for a foreign name."""
    digits, mark, rest = file_name.partition("_")
    if not (mark and rest.endswith(_SUFFIX) and digits.isascii() and digits.isdigit()):
        return None
    if not file_name.isprintable():  # control characters, bytes that are no UTF-8
        return None
    key = rest[: -len(_SUFFIX)]
    return (int(digits), key) if key else None


def queued_at(file_name: str) -> float | None:
    """Return when an event was queued by its file name (wall-clock seconds); None if foreign."""
    parsed = parse(file_name)
    return parsed[0] / 1e6 if parsed else None


def reason_name(file_name: str) -> str:
    """Return the name, beside an event in err, of the file that says why it is there."""
    return file_name[: -len(_SUFFIX)] + _REASON_SUFFIX


def hold_name(key: str = "") -> str:
    """Return the name, below db, of the marker that holds `key` back, or all keys."""
    return f"{HOLD}.{key}" if key else HOLD


def ensure(data_dir: str) -> None:
    """Create what is missing of the queue below `data_dir`; what exists is left as it is.

    Existing modes are the packages' and the administrator's business (dpkg-statoverride).
    Raises OSError.
    """
    for path, mode in MODES.items():
        directory = os.path.join(data_dir, path)
        if not os.path.isdir(directory):
            os.makedirs(directory)
            os.chmod(directory, mode)
    _create(os.path.join(data_dir, "outqueue", LEDGER), LEDGER_MODE)


def _create(path: str, mode: int) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError:
        return
    try:
        os.fchmod(fd, mode)  # the umask must not narrow it
    finally:
        os.close(fd)


def close(fd: int) -> None:
    """Close what is synced or given up: an error now says nothing about an event."""
    try:
        os.close(fd)
    except OSError:
        return
