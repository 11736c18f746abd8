"""A hostile neighbour while others submit: harmless, whatever it puts first in order."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.emulator.fixtures import RunningEmulator
from tests.host import Host
from tests.torture import neighbour
from tests.torture.lanes import key, trigger
from tests.torture.outcome import Outcome
from tests.torture.site import (
    SYSTEM_PYTHON,
    as_user,
    give_to,
    host_of,
    pagerduty,
    public_copy,
)

_LANES = 5


def run(directory: Path, *, events: int = 300) -> Outcome:
    """Submit events over five keys, one of which the neighbour floods with rubbish."""
    outcome = Outcome()
    with pagerduty(directory / "pagerduty") as emulator:
        agent = public_copy(directory)
        with host_of(directory / "host", emulator, python=SYSTEM_PYTHON, agent=agent) as host:
            give_to(host, "daemon")
            victim = host.put(trigger(0, 0))
            script = agent / "neighbour.py"
            script.write_text(
                Path(neighbour.__file__).read_text(encoding="utf-8"), encoding="utf-8"
            )
            words = [str(host.outqueue), key(1), victim, str(host.directory / "run" / "wake")]
            hostile = subprocess.Popen(
                [*as_user("nobody"), SYSTEM_PYTHON, script, *words],
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert hostile.stdout is not None
            while (line := hostile.stdout.readline().strip()) != "ready":
                outcome.found.append(line or "the neighbour ended early")
                if not line:
                    break
            host.start()
            for number in range(1, events):
                host.put(trigger(number % _LANES, number))
                time.sleep(0.01)
            try:
                host.until(lambda: emulator.health()["events"] >= events, timeout=60)
            except AssertionError as error:
                outcome.found.append(f"not everything arrived beside the neighbour: {error}")
            hostile.kill()
            hostile.wait(timeout=10)
            time.sleep(2)
            _judge(host, emulator, events, outcome)
    return outcome


def _judge(host: Host, emulator: RunningEmulator, events: int, outcome: Outcome) -> None:
    arrived = [event["body"]["details"].get("number") for event in emulator.events()]
    outcome.expect(sorted(arrived) == list(range(events)), f"{len(arrived)} of {events} arrived")
    for lane in range(_LANES):
        numbers = [one for one in arrived if one % _LANES == lane]
        outcome.expect(numbers == sorted(numbers), f"lane {lane} out of order: {numbers}")
    outcome.expect(host.daemon.poll() is None, "the daemon has ended")
    outcome.expect("Traceback" not in host.log(), "a traceback in the log")
    outcome.expect("root:x:" not in str(emulator.requests()), "/etc/passwd was sent")
    memory = host.peak_memory_kb()
    outcome.expect(memory < 100_000, f"the daemon has grown to {memory} KiB")
    rubbish = len(host.names("err"))
    outcome.expect(rubbish > 20, f"only {rubbish} entries were set aside")
    outcome.tried = (
        f"{len(neighbour._PLANTS)} kinds of rubbish, {rubbish // 2} pieces set aside, "
        f"a flooded FIFO and a scribbled ledger while {events} events were sent"
    )
