"""Backlog: what an event costs, and what the daemon weighs, with much waiting; and idle."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.bench.measure import Row, at_most, cpu_seconds, progress, status_number, switches
from tests.bench.scene import daemon_host, fill, hold, nginx, release
from tests.host import Host

_SIZES = (1000, 10_000, 100_000)
_WARM_UP = 300  # threads and connections are there, and the look at the release is over
_MEASURED = 5000
_KEYS = 20


def run(directory: Path, *, sizes: tuple[int, ...] = _SIZES, repetitions: int = 3) -> list[Row]:
    """Processor time an event behind backlogs of growing size."""
    rows = []
    costs: dict[int, list[float]] = {}
    with nginx(directory / "nginx") as (url, ca_file):
        for size in sizes:
            first, memory = [], []
            for number in range(repetitions):
                progress(f"backlog: {size} pending, round {number + 1}")
                with daemon_host(directory / f"{size}-{number}", url, ca_file) as host:
                    fill(host, size + _WARM_UP, _KEYS)
                    first.append(_first_event(host))
                    cost, weight = _cost(host)
                    costs.setdefault(size, []).append(cost)
                    memory.append(weight)
            rows += _rows(size, costs[sizes[0]], costs[size], first, memory)
    return rows


def _rows(
    size: int, least: list[float], costs: list[float], first: list[float], memory: list[float]
) -> list[Row]:
    rows = [Row(f"{size} pending, processor time an event", "ms", [one * 1000 for one in costs])]
    if costs is not least:
        ratios = [one / other for one, other in zip(costs, least)]
        rows.append(Row(f"{size} pending / 1000 pending", "x", ratios, "<= 1.2", at_most(1.2)))
    rows.append(Row(f"{size} pending, start to first delivery", "s", first, "< 2", at_most(2)))
    rows.append(Row(f"{size} pending, resident memory", "MiB", memory))
    return rows


def _first_event(host: Host) -> float:
    """Seconds from the daemon's start to its first delivered event."""
    started = time.perf_counter()
    host.start(wait=False)
    while not os.listdir(host.outqueue / "suc"):
        time.sleep(0.005)
    elapsed = time.perf_counter() - started
    hold(host)
    host.stop()
    return elapsed


def _cost(host: Host) -> tuple[float, float]:
    """(processor seconds an event, MiB resident) of a daemon that is well under way."""
    host.start()
    daemon = host.daemon
    assert daemon is not None
    release(host)
    begun = _wait_for(host, len(os.listdir(host.outqueue / "suc")) + _WARM_UP)
    before = cpu_seconds(daemon.pid)
    waiting = len(os.listdir(host.outqueue / "pdq"))
    ended = _wait_for(host, begun + min(_MEASURED, waiting))
    used = cpu_seconds(daemon.pid) - before
    weight = status_number(daemon.pid, "VmRSS") / 1024
    host.kill()
    return used / (ended - begun), weight


def _wait_for(host: Host, least: int) -> int:
    """Wait until so many events are delivered; returns how many are."""
    while (count := len(os.listdir(host.outqueue / "suc"))) < least:
        time.sleep(0.02)
    return count


def idle(directory: Path, *, seconds: float = 30) -> list[Row]:
    """A daemon with nothing to do: memory, processor time and wake-ups."""
    progress(f"idle: {seconds:.0f} s")
    with nginx(directory / "nginx") as where, daemon_host(directory / "host", *where) as host:
        fill(host, 100, 5)
        host.start()
        host.until_settled()
        assert host.daemon is not None
        pid = host.daemon.pid
        time.sleep(3)
        cpu, woken = cpu_seconds(pid), switches(pid)
        time.sleep(seconds)
        minute = 60 / seconds
        used = cpu_seconds(pid) - cpu
        # A thread that has ended meanwhile takes its count with it.
        times = sum(count - woken.get(thread, 0) for thread, count in switches(pid).items())
        memory = status_number(pid, "VmRSS") / 1024
    return [
        Row("idle, resident memory", "MiB", [memory], "<= 32", at_most(32)),
        Row("idle, processor time a minute", "s", [used * minute]),
        Row("idle, wake-ups a minute", "", [times * minute]),
    ]
