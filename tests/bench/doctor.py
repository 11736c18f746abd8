"""pd-doctor: how long a look takes on a healthy host, and on one behind a black hole."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.bench.measure import Row, progress
from tests.bench.scene import daemon_host
from tests.host import Host
from tests.torture.site import pagerduty

# A network of its own whose only way out swallows every packet.
_BLACK_HOLE = (
    "ip link set lo up && ip link add hole type veth peer name bottom"
    " && ip link set hole up && ip link set bottom up && ip address add 198.51.100.2/24 dev hole"
    " && ip neighbour add 198.51.100.1 lladdr 02:00:00:00:00:01 dev hole"
    ' && ip route add default via 198.51.100.1 && exec "$@"'
)


def run(directory: Path, *, repetitions: int = 3) -> list[Row]:
    """All checks, with the daemon running; what they find does not matter here."""
    with pagerduty(directory / "pagerduty") as emulator:
        assert emulator.url is not None
        assert emulator.ca_file is not None
        with daemon_host(directory / "host", emulator.url, emulator.ca_file) as host:
            host.start()
            progress("pd-doctor, healthy")
            healthy = [_look(host) for _ in range(repetitions)]
            host.configure(
                events_api_url="https://192.0.2.1",
                heartbeat_url="https://192.0.2.1/agent/2014-03-14/heartbeat",
            )
            progress("pd-doctor, black hole")
            lost = [_look(host, "unshare", "--net", "sh", "-c", _BLACK_HOLE, "sh")]
    return [
        Row("pd-doctor, healthy", "s", healthy),
        Row("pd-doctor, black hole", "s", lost),
    ]


def _look(host: Host, *wrapper: str) -> float:
    started = time.perf_counter()
    command = [*wrapper, *host.command("pd-doctor")]
    ended = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if ended.returncode not in (0, 1):
        raise RuntimeError(f"pd-doctor ended with {ended.returncode}: {ended.stderr}")
    return time.perf_counter() - started
