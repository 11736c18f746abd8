"""kill -9 of daemon and senders at random instants.

Whatever was accepted arrives, in order within its key; a repeat happens only where the
daemon was killed, and is the same alert again.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.emulator.fixtures import RunningEmulator
from tests.host import ROOT, Host
from tests.torture.lanes import key
from tests.torture.outcome import Outcome
from tests.torture.site import host_of, pagerduty

_MEAN_SECS_BETWEEN_KILLS = 0.12


@dataclass
class Lane:
    """One integration key's sender and what it has reported so far."""

    number: int
    directory: Path
    last: int
    process: subprocess.Popen[bytes] | None = None
    accepted: list[int] = field(default_factory=list)
    starts: int = 0

    def start(self, config: Path, pause: float) -> None:
        """Go on after the number that was perhaps queued when the last sender was killed."""
        first = 1 if not self.starts else (self.accepted or [0])[-1] + 2
        self.starts += 1
        words = [str(config), str(self.number), str(first), str(self.last), str(pause)]
        with self._report().open("wb") as report:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.torture.sender", *words],
                cwd=ROOT, stdout=report, env={**os.environ, "PYTHONPATH": f"{ROOT}/agent:{ROOT}"},
            )  # fmt: skip

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def reap(self, *, kill: bool = False) -> int:
        """Wait for the sender's end and take down what it reported; returns its status."""
        assert self.process is not None
        if kill:
            self.process.kill()
        status = self.process.wait(timeout=60)
        lines = self._report().read_bytes().split(b"\n")[:-1]
        self.accepted += [int(line) for line in lines]
        self.process = None
        return status

    def _report(self) -> Path:
        return self.directory / f"lane-{self.number}-{self.starts}.txt"


def run(
    directory: Path, *, events: int, keys: int, kills: int, seed: int, answer_secs: float = 0
) -> Outcome:
    """Send ``events`` over ``keys`` keys while ``kills`` processes are killed.

    Answers that take ``answer_secs`` make kills hit between the answer and the rename.
    """
    outcome = Outcome()
    chance = random.Random(seed)
    lanes = [Lane(one, directory, events // keys) for one in range(keys)]
    with (
        pagerduty(directory / "pagerduty") as emulator,
        host_of(directory / "host", emulator) as host,
    ):
        emulator.fault("slow", times=None, delay=answer_secs)
        daemon_kills = _storm(host, lanes, kills, chance, outcome)
        host.until_settled(timeout=300)
        host.stop()
        repeats = _judge(host, emulator, lanes, outcome)
    outcome.expect(repeats <= kills, f"{repeats} repeats, {kills} kills")
    accepted = sum(len(lane.accepted) for lane in lanes)
    outcome.tried = (
        f"{kills} kills, {daemon_kills} of them of the daemon, while {accepted} events over "
        f"{keys} keys were accepted; {repeats} came twice; seed {seed}"
    )
    return outcome


def _storm(
    host: Host, lanes: list[Lane], kills: int, chance: random.Random, outcome: Outcome
) -> int:
    """Run the senders to their ends and kill meanwhile; returns how often the daemon was."""
    pause = kills * _MEAN_SECS_BETWEEN_KILLS / lanes[0].last
    daemon_kills = done = 0
    host.start(wait=False)
    for lane in lanes:
        lane.start(host.config, pause)
    while done < kills or any(lane.is_running() for lane in lanes):
        time.sleep(chance.uniform(0, 2 * _MEAN_SECS_BETWEEN_KILLS))
        for lane in lanes:
            if lane.process is not None and not lane.is_running():
                status = lane.reap()
                outcome.expect(status == 0, f"the sender of lane {lane.number} ended {status}")
        running = [lane for lane in lanes if lane.is_running()]
        if done >= kills:
            continue
        done += 1
        if not running or chance.random() < 0.5:
            host.kill()
            host.start(wait=False)
            daemon_kills += 1
        else:
            victim = chance.choice(running)
            victim.reap(kill=True)
            victim.start(host.config, pause)
    return daemon_kills


def _judge(host: Host, emulator: RunningEmulator, lanes: list[Lane], outcome: Outcome) -> int:
    """Hold what was accepted against what arrived; returns how many came more than once."""
    arrived: dict[str, list[int]] = {}
    for event in emulator.events():
        arrived.setdefault(event["key"], []).append(event["body"]["details"]["number"])
    alerts = emulator.alerts()
    repeats = 0
    for lane in lanes:
        numbers = arrived.get(key(lane.number), [])
        distinct = set(numbers)
        repeats += len(numbers) - len(distinct)
        lost = sorted(set(lane.accepted) - distinct)
        where = f"lane {lane.number}"
        outcome.expect(not lost, f"{where}: accepted and lost: {lost}")
        outcome.expect(numbers == sorted(numbers), f"{where}: out of order: {_disorder(numbers)}")
        opened = len(alerts.get(key(lane.number), {}))
        outcome.expect(opened == len(distinct), f"{where}: {opened} alerts, {len(distinct)} events")
    outcome.expect(not host.names("err"), f"err holds {host.names('err')[:5]}")
    outcome.expect("Traceback" not in host.log(), "the daemon's log shows a traceback")
    return repeats


def _disorder(numbers: list[int]) -> list[tuple[int, int]]:
    return [(a, b) for a, b in zip(numbers, numbers[1:]) if b < a][:5]
