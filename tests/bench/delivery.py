"""Delivery: events a second over TLS, all promises on, against a bare requests loop."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from tests.bench.measure import SYSTEM_PYTHON, Row, at_least, progress
from tests.bench.scene import daemon_host, fill, hold, nginx, release, slow_server
from tests.host import Host

_BARE_LOOP = Path(__file__).with_name("bare_loop.py")


def run(directory: Path, *, events: int = 2000, repetitions: int = 3) -> list[Row]:
    """1, 20 and 200 keys against nginx; then 20 keys with a slow PagerDuty."""
    rows = []
    with nginx(directory / "nginx") as (url, ca_file):
        for keys in (1, 20, 200):
            ours, ratios = [], []
            for number in range(repetitions):
                progress(f"delivery: {events} events, {keys} keys, round {number + 1}")
                place = directory / f"{keys}-{number}"
                with daemon_host(place, url, ca_file) as host:
                    fill(host, events, keys)
                    bare = events / _bare(host, url, ca_file)
                    ours.append(events / _drain(host))
                    ratios.append(ours[-1] / bare)
            rows.append(Row(f"delivery, {keys} keys", "events/s", ours, ">= 700", at_least(700)))
            rows.append(Row(f"delivery, {keys} keys / bare requests loop", "x", ratios,
                            ">= 0.8", at_least(0.8)))  # fmt: skip
    return [*rows, _slow(directory / "slow")]


def _slow(directory: Path, *, keys: int = 20, delay: float = 0.1) -> Row:
    """Every answer takes ``delay`` longer: the keys are served side by side."""
    progress(f"delivery: {keys} keys, {delay * 1000:.0f} ms of latency")
    with (
        slow_server(directory / "pagerduty", delay) as where,
        daemon_host(directory / "host", *where, workers=keys) as host,
    ):
        fill(host, keys * 150, keys)
        rate = keys * 150 / _drain(host)
    share = rate / (keys / delay)
    return Row("20 keys, 100 ms latency, 20 workers / (20 / RTT)", "x", [share],
               ">= 0.8", at_least(0.8))  # fmt: skip


def _bare(host: Host, url: str, ca_file: str) -> float:
    """Seconds the bare loop takes for what is in the queue."""
    path = "/generic/2010-04-15/create_event.json"
    command = [SYSTEM_PYTHON, str(_BARE_LOOP), url + path, ca_file, str(host.outqueue / "pdq")]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _drain(host: Host) -> float:
    """Seconds from the release of a filled queue until it is empty."""
    hold(host)
    host.start()
    started = time.perf_counter()
    release(host)
    while os.listdir(host.outqueue / "pdq"):
        time.sleep(0.02)
    return time.perf_counter() - started
