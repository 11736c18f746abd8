"""SIGKILL, EIO and ENOSPC at every system call of submit and of settle.

Each call from the first one that touches the queue to the end of the process is hit in
turn, in a run of its own. Whatever happens, exit 0 means that the event is in the queue,
anything else that the error is one line, and the next event is submitted as ever.
"""

from __future__ import annotations

import collections
import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pdagent.outqueue import layout
from tests.emulator.fixtures import RunningEmulator
from tests.host import Host
from tests.torture import trace
from tests.torture.lanes import key, trigger
from tests.torture.outcome import Outcome
from tests.torture.site import host_of, pagerduty

ACTIONS = {"SIGKILL": "signal=KILL", "EIO": "error=EIO", "ENOSPC": "error=ENOSPC"}
# Calls on memory, signals and the process itself do not fail with a disk's errors.
_NO_DISK = {"mmap", "munmap", "brk", "rt_sigaction", "exit_group", "getpid", "futex", "umask"}
_KEY = key(1)
# Each queues one event that has disk/db7 in it.
COMMANDS = {
    "pd-send": ("-k", _KEY, "-t", "trigger", "-d", "disk full", "-i", "disk/db7"),
    "pd-nagios": ("-k", _KEY, "-t", "PROBLEM", "-n", "host", "-i", "disk/db7", "-f", "HOSTNAME=db7",
                  "-f", "HOSTSTATE=DOWN"),
    "pd-zabbix": (_KEY, "trigger", "name:disk/db7\nid:1\nstatus:PROBLEM\nhostname:db7"),
    "pd-sensu": ("-k", _KEY, "-i", "disk/db7"),
}  # fmt: skip
_SENSU = '{"action":"create","client":{"name":"db7"},"check":{"name":"disk","output":"full"}}'


def submit(directory: Path, *, commands: tuple[str, ...] = ("pd-send",)) -> Outcome:
    """Hit every system call of the commands that submit."""
    outcome = Outcome()
    said = []
    for command in commands:
        (directory / command).mkdir(parents=True)
        host = Host(directory / command)
        _strace(host, command)  # so that compiling modules is not part of what follows
        _empty(host)
        targets = list(_targets(host, command))
        faults = [
            (name, nth, action)
            for name, nth in targets
            for action in ACTIONS
            if action == "SIGKILL" or name not in _NO_DISK
        ]
        for fault in faults:
            _hit(host, command, *fault, outcome)
            _empty(host)
        outcome.expect(len(targets) >= 15, f"only {len(targets)} system calls of {command}")
        said.append(f"{len(faults)} faults at {len(targets)} system calls of {command}")
    outcome.tried = ", ".join(said)
    return outcome


def _strace(host: Host, command: str, *options: str) -> subprocess.CompletedProcess[str]:
    words = host.command(command, *COMMANDS[command])
    return trace.strace(words, host.directory / "strace.txt", *options, input=_SENSU)


def _targets(host: Host, command: str) -> Iterator[tuple[str, int]]:
    """(name, nth call of that name) from the first that touches the queue."""
    _strace(host, command)
    queue = str(host.outqueue).encode()
    counts: collections.Counter[str] = collections.Counter()
    reached = False
    for call in trace.calls(host.directory / "strace.txt"):
        counts[call.name] += 1
        reached = reached or any(text.startswith(queue) for text in call.texts)
        if reached:
            yield call.name, counts[call.name]
    _empty(host)


def _hit(host: Host, command: str, name: str, nth: int, action: str, outcome: Outcome) -> None:
    fault = f"inject={name}:{ACTIONS[action]}:when={nth}"
    ended = _strace(host, command, "-e", fault)
    where = f"{action} at {name} #{nth} of {command}"
    queued = [(host.outqueue / "pdq" / one).read_bytes() for one in host.names("pdq")]
    whole = [body for body in queued if body.endswith(b"}") and b"disk/db7" in body]
    outcome.expect(queued == whole, f"{where}: half an event in pdq: {queued}")
    if ended.returncode == 0:
        outcome.expect(len(whole) == 1, f"{where}: exit 0 and {len(whole)} events in pdq")
    elif action == "SIGKILL":
        outcome.expect(ended.returncode in (-9, 137), f"{where}: exit {ended.returncode}")
    else:
        outcome.expect(not queued, f"{where}: exit {ended.returncode} and the event is in pdq")
        lines = ended.stderr.splitlines()
        outcome.expect(len(lines) == 1, f"{where}: standard error is {ended.stderr!r}")
    outcome.expect("Traceback" not in ended.stderr, f"{where}: a traceback")
    try:
        host.put(trigger(1, 2))
    except Exception as error:
        outcome.found.append(f"{where}: the next event is refused: {error}")


def _empty(host: Host) -> None:
    for state in ("tmp", "pdq", "suc", "err"):
        for name in host.names(state):
            (host.outqueue / state / name).unlink()


def settle(directory: Path, *, answer: str = "accepted", actions: tuple[str, ...] = ()) -> Outcome:
    """Hit every call of the daemon on one event and its directories while it settles it.

    ``answer`` is what PagerDuty says: accepted or refused. After each hit the daemon, or
    the next one, settles the event properly.
    """
    outcome = Outcome()
    with pagerduty(directory / "pagerduty") as emulator:
        scene = _Settling(directory, emulator, answer)
        targets = scene.targets()
        faults = [(*target, action) for target in targets for action in actions or ACTIONS]
        for name, nth, action in faults:
            scene.hit(name, nth, action, outcome)
    outcome.expect(len(targets) >= 6, f"only {len(targets)} system calls were seen: {targets}")
    outcome.tried = (
        f"{len(faults)} faults at {len(targets)} system calls on an event that is {answer}"
    )
    return outcome


class _Settling:
    """A daemon under strace that settles one event, anew for each fault."""

    def __init__(self, directory: Path, emulator: RunningEmulator, answer: str) -> None:
        self._directory, self._emulator, self._answer = directory, emulator, answer
        self._place = "suc" if answer == "accepted" else "err"
        self._runs = 0

    def targets(self) -> list[tuple[str, int]]:
        """(name, nth call of that name in its thread) of a run without faults."""
        with self._host() as (host, log):
            self._run(host, log)
            self._settled(host)
        counts: collections.Counter[tuple[int, str]] = collections.Counter()
        found = []
        for call in trace.calls(log):
            counts[call.pid, call.name] += 1
            found.append((call.name, counts[call.pid, call.name]))
        return sorted(set(found))

    def hit(self, name: str, nth: int, action: str, outcome: Outcome) -> None:
        """One run with one fault."""
        where = f"{action} at {name} #{nth} of settling"
        with self._host() as (host, log):
            event = self._run(host, log, "-e", f"inject={name}:{ACTIONS[action]}:when={nth}")
            if not self._settled(host):
                host.close()
                host.wrapper = []
                host.start()
                outcome.expect(self._settled(host), f"{where}: the next daemon does not settle it")
            settled = host.events(self._place)
            outcome.expect(settled == [event], f"{where}: {self._place} holds {settled}")
            outcome.expect(not host.names("pdq"), f"{where}: pdq holds {host.names('pdq')}")
            outcome.expect("Traceback" not in host.log(), f"{where}: a traceback in the log")

    @contextlib.contextmanager
    def _host(self) -> Iterator[tuple[Host, Path]]:
        self._emulator.reset()
        self._emulator.throttle(None)
        if self._answer == "refused":
            self._emulator.fault("status", status=400, times=None)
        self._runs += 1
        with host_of(self._directory / str(self._runs), self._emulator) as host:
            yield host, host.directory / "strace.txt"

    def _run(self, host: Host, log: Path, *options: str) -> str:
        """Start the daemon with an event in its queue; returns the event's name."""
        event = host.put(trigger(1, 1))
        places = [host.outqueue / state for state in ("pdq", "suc", "err")]
        paths = [*places[1:], *(place / event for place in places)]
        paths.append(host.outqueue / "err" / layout.reason_name(event))
        watched = [word for path in paths for word in ("-P", str(path))]
        host.wrapper = trace.prefix(log, *watched, *options)
        host.start(wait=False)
        return event

    def _settled(self, host: Host) -> bool:
        """Wait until the event is settled; False when the daemon ended before."""
        try:
            host.until(lambda: host.events(self._place) and not host.names("pdq"), 30)
        except AssertionError:
            return False
        return True
