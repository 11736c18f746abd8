"""A hostile neighbour: what an ordinary user may try against the queue of others.

    python3 neighbour.py OUTQUEUE KEY VICTIM WAKE_FIFO

VICTIM is the name of another user's event in pdq. Runs until it is killed; prints a line
for everything that it should not have been able to do. Standard library only, because it
runs as a user who may see nothing of the checkout.
"""

import contextlib
import os
import socket
import sys
import time


def main(outqueue: str, key: str, victim: str, wake: str) -> None:
    """Spoil, spy and flood until killed."""
    pdq, tmp = os.path.join(outqueue, "pdq"), os.path.join(outqueue, "tmp")
    for name, attempt in _forbidden(outqueue, pdq, tmp, victim):
        with contextlib.suppress(OSError):
            attempt()
            print(f"a neighbour can {name}", flush=True)
    print("ready", flush=True)
    number = 0
    while True:
        for plant in _PLANTS:
            number += 1
            with contextlib.suppress(OSError):
                plant(pdq, f"{number:016d}_{key}.txt")
        _flood(outqueue, wake)
        time.sleep(0.01)


def _forbidden(outqueue, pdq, tmp, victim):
    theirs = os.path.join(pdq, victim)
    mine = os.path.join(tmp, "mine")
    return {
        "list pdq": lambda: os.listdir(pdq),
        "list tmp": lambda: os.listdir(tmp),
        "list suc": lambda: os.listdir(os.path.join(outqueue, "suc")),
        "read another user's event": lambda: open(theirs, "rb").read(),
        "write another user's event": lambda: open(theirs, "r+b").close(),
        "remove another user's event": lambda: os.unlink(theirs),
        "rename another user's event": lambda: os.rename(theirs, os.path.join(pdq, "x")),
        "replace another user's event": lambda: _replace(mine, theirs),
        "create in suc": lambda: open(os.path.join(outqueue, "suc", "x"), "w").close(),
        "create in outqueue": lambda: open(os.path.join(outqueue, "x"), "w").close(),
        "take the consumer's lock away": lambda: os.unlink(os.path.join(outqueue, "dequeue.lock")),
    }.items()


def _replace(mine, theirs):
    open(mine, "w").close()
    os.rename(mine, theirs)


def _flood(outqueue, wake):
    """Shout at the daemon, scribble in the ledger and hold its lock for a moment."""
    with contextlib.suppress(OSError):
        fd = os.open(wake, os.O_WRONLY | os.O_NONBLOCK)
        os.write(fd, b"!" * 65536)
        os.close(fd)
    with contextlib.suppress(OSError), open(os.path.join(outqueue, "ledger"), "r+b") as ledger:
        os.lockf(ledger.fileno(), os.F_LOCK, 0)
        ledger.write(os.urandom(40) if time.time_ns() % 2 else b"9" * 16 + b" " + b"0" * 16)
        ledger.flush()


def _file(content, mode=0o644):
    def plant(pdq, name):
        fd = os.open(os.path.join(pdq, name), os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
        os.write(fd, content)
        os.close(fd)

    return plant


def _huge(pdq, name):
    _file(b"{")(pdq, name)
    os.truncate(os.path.join(pdq, name), 1 << 40)


def _directory(pdq, name):
    os.mkdir(os.path.join(pdq, name))


def _full_directory(pdq, name):
    path = os.path.join(pdq, "9" + name)
    os.mkdir(path)
    open(os.path.join(path, "inside"), "w").close()


def _socket(pdq, name):
    os.chdir(pdq)  # the path of a socket is limited to 107 bytes
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(name)


def _hard_link(pdq, name):
    os.link("/etc/passwd", os.path.join(pdq, name))


_PLANTS = [
    lambda pdq, name: os.mkfifo(os.path.join(pdq, name)),
    lambda pdq, name: os.symlink("/proc/missing", os.path.join(pdq, name)),
    lambda pdq, name: os.symlink("/etc/passwd", os.path.join(pdq, name)),
    lambda pdq, name: os.symlink("/dev/zero", os.path.join(pdq, name)),
    lambda pdq, name: os.symlink(name, os.path.join(pdq, name)),
    _file(b""),
    _file(b"{}"),
    _file(b"\xff\xfe"),
    _file(b"[" * 100000),
    _file(b'{"service_key":"another","event_type":"trigger","description":"x"}'),
    _file(b"{}", mode=0),
    _huge,
    _directory,
    _full_directory,
    _socket,
    _hard_link,
    lambda pdq, name: _file(b"{}")(pdq, name.replace("_", "-")),
    lambda pdq, name: _file(b"{}")(pdq, "9" + name),
    lambda pdq, name: _file(b"{}")(os.fsencode(pdq), b"\xff\n" + os.fsencode(name)),
]

if __name__ == "__main__":
    main(*sys.argv[1:])
