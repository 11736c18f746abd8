"""Lost unsynced writes: power fails, and only what was synced is sure to be there.

The file operations of a command or daemon are recorded with strace and replayed on a
model of a disk. After each operation the power fails in every possible way: any set of
unsynced directory changes may have reached the disk, and of a file's data only what was
synced is counted on.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.host import Host
from tests.torture import trace
from tests.torture.lanes import key, trigger
from tests.torture.outcome import Outcome
from tests.torture.site import SYSTEM_PYTHON, as_user, host_of, pagerduty, public_copy

_MAX_UNSYNCED = 10  # 2^10 ways to fail at one operation

Entries = dict[bytes, int]


@dataclass
class Disk:
    """Files by number, directory entries by path; what is durable and what is not yet.

    ``journal`` models file systems on which syncing a file commits every earlier change
    of a directory too (ext4, XFS, Btrfs, F2FS); without it only syncing the directory does.
    """

    journal: bool
    data: dict[int, bytes] = field(default_factory=dict)
    synced: dict[int, bytes] = field(default_factory=dict)
    entries: Entries = field(default_factory=dict)
    durable: Entries = field(default_factory=dict)
    unsynced: list[dict[bytes, int | None]] = field(default_factory=list)

    def put(self, path: bytes, content: bytes) -> None:
        """A file that has been there all along."""
        number = self._number()
        self.data[number] = self.synced[number] = content
        self.entries[path] = self.durable[path] = number

    def create(self, path: bytes) -> None:
        if path not in self.entries:
            number = self._number()
            self.data[number] = self.synced[number] = b""
            self._change({path: number})

    def truncate(self, path: bytes) -> None:
        self.data[self.entries[path]] = b""

    def write(self, path: bytes, content: bytes, at: int | None = None) -> None:
        number = self.entries.get(path)
        if number is not None:
            old = self.data[number]
            at = len(old) if at is None else at
            self.data[number] = old[:at].ljust(at, b"\0") + content + old[at + len(content) :]

    def link(self, old: bytes, new: bytes) -> None:
        self._change({new: self.entries[old]})

    def rename(self, old: bytes, new: bytes) -> None:
        self._change({old: None, new: self.entries[old]})

    def unlink(self, path: bytes) -> None:
        self._change({path: None})

    def sync(self, path: bytes) -> None:
        number = self.entries.get(path)
        if number is not None:
            self.synced[number] = self.data[number]
        everything = self.journal and number is not None
        kept = []
        for change in self.unsynced:
            if everything or any(os.path.dirname(one) == path for one in change):
                _apply(self.durable, change)
            else:
                kept.append(change)
        self.unsynced = kept

    def crashes(self) -> Iterator[dict[bytes, bytes]]:
        """What may be found after a power failure now: contents by path."""
        for kept in itertools.product((False, True), repeat=len(self.unsynced)):
            entries = dict(self.durable)
            for change, is_kept in zip(self.unsynced, kept):
                if is_kept:
                    _apply(entries, change)
            yield {path: self.synced[number] for path, number in entries.items()}

    def _change(self, change: dict[bytes, int | None]) -> None:
        _apply(self.entries, change)
        self.unsynced.append(change)
        if len(self.unsynced) > _MAX_UNSYNCED:
            raise AssertionError(f"more than {_MAX_UNSYNCED} unsynced changes: {self.unsynced}")

    def _number(self) -> int:
        return len(self.data) + 1


def _apply(entries: Entries, change: dict[bytes, int | None]) -> None:
    for path, number in change.items():
        if number is None:
            entries.pop(path, None)
        else:
            entries[path] = number


def replay(disk: Disk, log: Path, root: Path) -> Iterator[str]:
    """Replay the recorded operations below ``root``; yields after each that did something."""
    inside = str(root).encode() + b"/"
    for call in trace.calls(log):
        if call.result is None or call.result < 0:
            continue
        paths = [text for text in call.texts if text.startswith(inside)]
        if paths and _perform(disk, call, paths):
            yield f"{call.name}({', '.join(os.fsdecode(os.path.basename(one)) for one in paths)})"


def _perform(disk: Disk, call: trace.Call, paths: list[bytes]) -> bool:
    """Do to the disk what the call did; False when it changed nothing."""
    path = paths[0]
    if call.name in ("open", "openat") and "O_CREAT" in call.arguments:
        disk.create(path)
        if "O_TRUNC" in call.arguments:
            disk.truncate(path)
    elif call.name == "write":
        disk.write(path, call.texts[1][: call.result])
    elif call.name == "pwrite64":
        disk.write(path, call.texts[1][: call.result], int(call.arguments.rsplit(",", 1)[1]))
    elif call.name in ("fsync", "fdatasync"):
        disk.sync(path)
    elif call.name in ("link", "linkat"):
        disk.link(*paths[-2:])
    elif call.name in ("rename", "renameat", "renameat2"):
        disk.rename(*paths[-2:])
    elif call.name in ("unlink", "unlinkat"):
        disk.unlink(paths[-1])
    else:
        return False
    return True


def submit(directory: Path, *, user: str = "root") -> Outcome:
    """pd-send by this user: what exit 0 promised is there after any power failure."""
    outcome = Outcome()
    directory.mkdir(parents=True)
    host = Host(directory, python=SYSTEM_PYTHON, agent=public_copy(directory))
    log = directory / "strace.txt"
    command = host.command(
        "pd-send", "-k", key(1), "-t", "trigger", "-d", "disk full", "-i", "disk/db7"
    )
    if user != "root":
        command = [*as_user(user), *command]
    ended = trace.strace(command, log)
    outcome.expect(ended.returncode == 0, f"pd-send by {user} failed: {ended.stderr}")
    # Who may not list pdq cannot sync it, and relies on the journal.
    disk = Disk(journal=user != "root")
    disk.put(str(host.outqueue / "ledger").encode(), b"")
    body = _only(host.outqueue / "pdq")
    pdq = str(host.outqueue / "pdq").encode() + b"/"
    failures = 0
    for done in replay(disk, log, host.outqueue):
        for found in disk.crashes():
            failures += 1
            visible = [content for path, content in found.items() if path.startswith(pdq)]
            outcome.expect(all(one == body for one in visible), f"after {done}: half an event")
    for found in disk.crashes():
        visible = [content for path, content in found.items() if path.startswith(pdq)]
        outcome.expect(visible == [body], f"after exit 0 of {user}: pdq holds {visible}")
    outcome.expect(failures > 10, f"only {failures} power failures were tried")
    outcome.tried = f"{failures} power failures during and after pd-send by {user}"
    return outcome


def settle(directory: Path, *, refused: bool = False) -> Outcome:
    """The daemon settles an event: it is in pdq, suc or err after any power failure."""
    outcome = Outcome()
    failures = 0
    with pagerduty(directory / "pagerduty") as emulator:
        if refused:
            emulator.fault("status", status=400, times=None)
        with host_of(directory / "host", emulator) as host:
            name = host.put(trigger(1, 1))
            body = (host.outqueue / "pdq" / name).read_bytes()
            log = directory / "strace.txt"
            host.wrapper = trace.prefix(log)
            host.start(wait=False)
            host.until(lambda: host.events("err" if refused else "suc"))
            host.close()
            disk = Disk(journal=False)
            disk.put(str(host.outqueue / "pdq" / name).encode(), body)
            disk.put(str(host.outqueue / "ledger").encode(), b"")
            for done in replay(disk, log, host.outqueue):
                for found in disk.crashes():
                    failures += 1
                    outcome.expect(
                        body in found.values(), f"after {done}: the event is nowhere: {found}"
                    )
    answer = "refused" if refused else "accepted"
    outcome.expect(failures >= 2, f"only {failures} power failures were tried")
    outcome.tried = f"{failures} power failures while an event is settled as {answer}"
    return outcome


def _only(directory: Path) -> bytes:
    (name,) = os.listdir(directory)
    return (directory / name).read_bytes()
