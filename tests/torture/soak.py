"""Soak: mixed load for a long time; memory and file descriptors stay flat.

Four long lives of the daemon, with all disturbances at once, and short ones between them.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.emulator.fixtures import RunningEmulator
from tests.host import Host
from tests.torture.mixed_load import LANES, MixedLoad, number_of
from tests.torture.outcome import Outcome
from tests.torture.site import Proxy, host_of, pagerduty

_HALF_DAY = 43_200
_NOWHERE = "http://127.0.0.1:1"
# Growth that is the allocator's; and each of ten workers keeps a connection while it is busy.
_SLACK_KB = 6_000
_SLACK_FILES = 12


class Size(NamedTuple):
    """A process: KiB resident, and open file descriptors."""

    memory: int
    files: int


def run(directory: Path, *, minutes: float, pause: float = 0.05) -> Outcome:
    """Load, bad answers, restarts, rotations, clock steps, proxies that change, come and go."""
    outcome = Outcome()
    directory.mkdir(parents=True)
    settings = {"cleanup_interval_secs": 60, "cleanup_threshold_secs": 60}
    figures: list[str] = []
    with (
        pagerduty(directory / "pagerduty") as emulator,
        host_of(directory / "host", emulator, **settings) as host,
        Proxy(directory) as proxy,
    ):
        host.configure(log_file=host.directory / "rotated.log")
        host.clock = host.directory / "clock"
        load = MixedLoad(host, pause, outcome)
        load.start()
        through = {"https_proxy": proxy.url}
        around = {"https_proxy": _NOWHERE, "no_proxy": "127.0.0.1,localhost"}
        for env in ({}, through, around, through):
            figures.append(_long_life(host, emulator, proxy, env, minutes * 15, outcome))
            _short_lives(host, minutes / 3)
        load.stop()
        outcome.expect(load.count, "nothing was submitted")
        host.start()
        host.until_settled(timeout=300)
        _judge(host, emulator, load.count, outcome)
    outcome.tried = f"{load.count} events in {minutes:g} minutes; peaks by quarter of a life: "
    outcome.tried += "; ".join(figures)
    return outcome


def _long_life(
    host: Host, emulator: RunningEmulator, proxy: Proxy, env: dict[str, str], seconds: float,
    outcome: Outcome,
) -> str:  # fmt: skip
    """One daemon disturbed all the time; returns its size through its four quarters."""
    chance = random.Random(7)
    disturbances: list[Callable[[], object]] = [
        lambda: os.kill(host.daemon.pid, signal.SIGHUP),
        lambda: _rotate(host),
        lambda: host.clock.write_text(str(chance.randint(-_HALF_DAY, _HALF_DAY))),
        lambda: emulator.fault("status", status=503, times=20),
        lambda: emulator.fault("reset", stage="answer", times=5),
        lambda: emulator.fault("html", times=5),
        lambda: host.run("pd-queue", "status"),
        proxy.restart,
    ]
    host.start(env=env)
    sizes: list[Size] = []
    begun, turn = time.monotonic(), min(2.0, seconds / 20)
    while time.monotonic() - begun < seconds or len(sizes) < 4:
        chance.choice(disturbances)()
        time.sleep(turn)
        sizes.append(_size(host))
    emulator.clear_faults()
    cuts = [len(sizes) * quarter // 4 for quarter in range(5)]
    peaks = [Size(*map(max, zip(*sizes[a:b]))) for a, b in itertools.pairwise(cuts)]
    _, early, _, late = peaks
    outcome.expect(late.memory - early.memory <= _SLACK_KB, f"memory grew: {peaks}")
    outcome.expect(late.files - early.files <= _SLACK_FILES, f"open files grew: {peaks}")
    outcome.expect(host.stop() == 0, "the daemon did not end with status 0")
    memory = ", ".join(f"{peak.memory / 1024:.1f}" for peak in peaks)
    return f"{memory} MiB and {', '.join(str(peak.files) for peak in peaks)} descriptors"


def _short_lives(host: Host, seconds: float) -> None:
    """Restarts by SIGTERM and SIGKILL, every other one behind a proxy that is not there."""
    ends = itertools.product((host.stop, host.kill), ({"https_proxy": _NOWHERE}, {}))
    for end, env in ends:
        host.start(env=env)
        time.sleep(seconds / 4)
        end()


def _size(host: Host) -> Size:
    process = Path(f"/proc/{host.daemon.pid}")
    status = (process / "status").read_text(encoding="ascii")
    resident = int(status.partition("VmRSS:")[2].split()[0])
    return Size(resident, len(os.listdir(process / "fd")))


def _rotate(host: Host) -> None:
    log = host.directory / "rotated.log"
    if log.exists():
        log.replace(host.directory / f"rotated.log.{time.monotonic_ns()}")


def _judge(host: Host, emulator: RunningEmulator, submitted: int, outcome: Outcome) -> None:
    """Everything arrived, in order for its key, and nothing is in err."""
    arrived = [number_of(event["body"]) for event in emulator.events()]
    lost = set(range(submitted)) - set(arrived)
    outcome.expect(not lost, f"{len(lost)} events lost: {sorted(lost)[:5]}")
    for lane in range(LANES):
        numbers = [one for one in arrived if one % LANES == lane]
        outcome.expect(numbers == sorted(numbers), f"lane {lane} out of order")
    outcome.expect(not host.names("err"), f"err holds {host.names('err')[:5]}")
    logs = "".join(path.read_text(encoding="utf-8") for path in host.directory.glob("rotated.log*"))
    outcome.expect("Traceback" not in logs + host.log(), "a traceback in the log")
    outcome.expect("Configuration read again" in logs, "no HUP was seen")
