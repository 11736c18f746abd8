"""Soak: mixed load for a long time; memory and file descriptors stay flat."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pdagent.outqueue.inbox import Limits, submit
from tests.emulator.fixtures import RunningEmulator
from tests.host import Host
from tests.torture.lanes import trigger
from tests.torture.outcome import Outcome
from tests.torture.site import host_of, pagerduty

_LANES = 20
_DAY_NS = 86_400 * 1_000_000_000
# Growth that is the allocator's; and each of ten workers keeps a connection while it is busy.
_SLACK_KB = 6_000
_SLACK_FILES = 12


class _Load(threading.Thread):
    """Submits until it is stopped; the wall clock of each submit steps within a day."""

    def __init__(self, host: Host, pause: float) -> None:
        super().__init__(daemon=True)
        self.count = 0
        self._host, self._pause = host, pause
        self._over = threading.Event()

    def run(self) -> None:
        chance = random.Random(5)
        step = 0
        while not self._over.wait(self._pause):
            if chance.random() < 0.02:
                step = chance.randint(-_DAY_NS // 2, _DAY_NS // 2)
            event = trigger(self.count % _LANES, self.count)
            submit(
                str(self._host.outqueue),
                event.key,
                event.encode(),
                limits=Limits(1 << 40, 0),
                wake_fifo=str(self._host.directory / "run" / "wake"),
                clock=lambda: time.time_ns() + step,  # noqa: B023 - called before step changes
            )
            self.count += 1

    def stop(self) -> None:
        """Submit nothing more."""
        self._over.set()
        self.join()


def run(directory: Path, *, minutes: float, pause: float = 0.02) -> Outcome:
    """Load, bad answers, HUPs, log rotations and restarts; each daemon's size is watched."""
    outcome = Outcome()
    settings = {"cleanup_interval_secs": 60, "cleanup_threshold_secs": 60}
    figures: list[str] = []
    with (
        pagerduty(directory / "pagerduty") as emulator,
        host_of(directory / "host", emulator, **settings) as host,
    ):
        host.configure(log_file=host.directory / "rotated.log")
        load = _Load(host, pause)
        load.start()
        # Three daemons, one of them behind a proxy that must not be used.
        proxy = {"https_proxy": "http://127.0.0.1:1", "no_proxy": "127.0.0.1"}
        for env in ({}, proxy, {}):
            host.start(env=env)
            figures.append(_phase(host, emulator, minutes * 20, outcome))
            outcome.expect(host.stop() == 0, "the daemon did not end with status 0")
        load.stop()
        host.start()
        host.until_settled(timeout=120)
        _judge(host, emulator, load.count, outcome)
    outcome.tried = f"{load.count} events in {minutes:g} minutes; {'; '.join(figures)}"
    return outcome


def _phase(host: Host, emulator: RunningEmulator, seconds: float, outcome: Outcome) -> str:
    """One daemon's life: disturb it all the time, compare its size early and late."""
    chance = random.Random(7)
    disturbances: list[Callable[[], object]] = [
        lambda: os.kill(host.daemon.pid, signal.SIGHUP),
        lambda: _rotate(host),
        lambda: emulator.fault("status", status=503, times=20),
        lambda: emulator.fault("reset", stage="answer", times=5),
        lambda: emulator.fault("html", times=5),
        lambda: host.run("pd-queue", "status"),
    ]
    end = time.monotonic() + seconds
    warm = time.monotonic() + seconds / 4
    early = None
    while time.monotonic() < end:
        chance.choice(disturbances)()
        time.sleep(min(2.0, seconds / 20))
        if early is None and time.monotonic() > warm:
            early = _size(host)
    emulator.clear_faults()
    memory, files = _size(host)
    assert early is not None
    outcome.expect(memory - early[0] <= _SLACK_KB, f"memory grew from {early[0]} to {memory} KiB")
    outcome.expect(files - early[1] <= _SLACK_FILES, f"files grew from {early[1]} to {files}")
    return f"{early[0]} -> {memory} KiB, {early[1]} -> {files} descriptors"


def _size(host: Host) -> tuple[int, int]:
    """(KiB resident, open file descriptors) of the daemon."""
    process = Path(f"/proc/{host.daemon.pid}")
    status = (process / "status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]), len(os.listdir(process / "fd"))


def _rotate(host: Host) -> None:
    log = host.directory / "rotated.log"
    if log.exists():
        log.replace(host.directory / f"rotated.log.{time.monotonic_ns()}")


def _judge(host: Host, emulator: RunningEmulator, submitted: int, outcome: Outcome) -> None:
    """Everything arrived, in order for its key, and nothing is in err."""
    arrived = [event["body"]["details"]["number"] for event in emulator.events()]
    lost = set(range(submitted)) - set(arrived)
    outcome.expect(not lost, f"{len(lost)} events lost: {sorted(lost)[:5]}")
    for lane in range(_LANES):
        numbers = [one for one in arrived if one % _LANES == lane]
        outcome.expect(numbers == sorted(numbers), f"lane {lane} out of order")
    outcome.expect(not host.names("err"), f"err holds {host.names('err')[:5]}")
    logs = "".join(path.read_text(encoding="utf-8") for path in host.directory.glob("rotated.log*"))
    outcome.expect("Traceback" not in logs, "a traceback in the log")
    outcome.expect("Configuration read again" in logs, "no HUP was seen")
