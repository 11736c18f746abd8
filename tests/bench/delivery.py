"""Delivery: events a second over TLS, all promises on, against a bare requests loop."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from tests.bench.measure import SYSTEM_PYTHON, Row, at_least, at_most, cpu_seconds, progress
from tests.bench.scene import daemon_host, fill, hold, nginx, release, slow_server
from tests.host import Host


class Times(NamedTuple):
    """Seconds by the clock and of processor time."""

    wall: float
    cpu: float


_BARE_LOOP = Path(__file__).with_name("bare_loop.py")


def run(directory: Path, *, events: int = 2000, repetitions: int = 5) -> list[Row]:
    """1, 20 and 200 keys against nginx; then 20 keys with a slow PagerDuty."""
    rows = []
    with nginx(directory / "nginx") as (url, ca_file):
        for keys in (1, 20, 200):
            bare, ours = [], []
            for number in range(repetitions):
                progress(f"delivery: {events} events, {keys} keys, round {number + 1}")
                place = directory / f"{keys}-{number}"
                with daemon_host(place, url, ca_file) as host:
                    fill(host, events, keys)
                    bare.append(_bare(host, url, ca_file))
                    ours.append(_drain(host))
            rows += _rows(keys, events, bare, ours)
    return [*rows, _slow(directory / "slow")]


def _rows(keys: int, events: int, bare: list[Times], ours: list[Times]) -> list[Row]:
    pairs = list(zip(ours, bare))
    name = f"delivery, {keys} key{'s' * (keys > 1)}"
    return [
        Row(name, "events/s", [events / one.wall for one in ours], ">= 700", at_least(700)),
        Row(f"{name} / bare requests loop", "x",
            [other.wall / one.wall for one, other in pairs], ">= 0.8", at_least(0.8)),
        Row(f"{name}, processor time / bare's", "x",
            [one.cpu / other.cpu for one, other in pairs], "<= 1.25", at_most(1.25)),
    ]  # fmt: skip


def _slow(directory: Path, *, keys: int = 20, delay: float = 0.1) -> Row:
    """Every answer takes ``delay`` longer: the keys are served side by side."""
    progress(f"delivery: {keys} keys, {delay * 1000:.0f} ms of latency")
    with (
        slow_server(directory / "pagerduty", delay) as where,
        daemon_host(directory / "host", *where, workers=keys) as host,
    ):
        fill(host, keys * 150, keys)
        rate = keys * 150 / _drain(host).wall
    share = rate / (keys / delay)
    return Row("20 keys, 100 ms latency, 20 workers / (20 / RTT)", "x", [share],
               ">= 0.8", at_least(0.8))  # fmt: skip


def _bare(host: Host, url: str, ca_file: str) -> Times:
    """What the bare loop takes for what is in the queue."""
    path = "/generic/2010-04-15/create_event.json"
    command = [SYSTEM_PYTHON, str(_BARE_LOOP), url + path, ca_file, str(host.outqueue / "pdq")]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return Times(*map(float, output.split()))


def _drain(host: Host) -> Times:
    """What the daemon takes from the release of a filled queue until it is empty."""
    hold(host)
    host.start()
    assert host.daemon is not None
    started, used = time.perf_counter(), cpu_seconds(host.daemon.pid)
    release(host)
    while os.listdir(host.outqueue / "pdq"):
        time.sleep(0.02)
    return Times(time.perf_counter() - started, cpu_seconds(host.daemon.pid) - used)
