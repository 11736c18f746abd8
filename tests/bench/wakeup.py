"""Wake-up: from the end of pd-send to the request's arrival, at an idle daemon."""

from __future__ import annotations

import time
from pathlib import Path

from tests.bench.measure import SYSTEM_PYTHON, Row, at_most, percentile, progress, timed
from tests.bench.scene import daemon_host
from tests.host import BIN
from tests.torture.site import pagerduty


def run(directory: Path, *, repetitions: int = 100) -> list[Row]:
    """One event at a time, the daemon asleep before each."""
    progress(f"wake-up: {repetitions} events")
    delays = []
    with pagerduty(directory / "pagerduty") as emulator:
        assert emulator.url is not None
        assert emulator.ca_file is not None
        with daemon_host(directory / "host", emulator.url, emulator.ca_file) as host:
            host.start()
            command = [SYSTEM_PYTHON, "-IS", str(BIN / "pd-send"), "--config", str(host.config)]
            command += ["-k", "0" * 32, "-t", "trigger", "-d", "disk full", "-i"]
            for number in range(repetitions + 1):
                timed([*command, str(number)])
                ended = time.time_ns()
                arrived = emulator.wait_for(number + 1)[-1]["at_ns"]
                delays.append((arrived - ended) / 1e6)
                time.sleep(0.1)
    delays = delays[1:]  # the first one opens the connection
    tail = percentile(delays, 0.99)
    return [
        Row("pd-send's end to arrival", "ms", delays, "median < 20", at_most(20)),
        Row("the same, 99th percentile", "ms", [tail], "< 100", at_most(100)),
    ]
