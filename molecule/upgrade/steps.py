"""What the scenario's tests share."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

CHANGELOG = Path(__file__).parents[2] / "packaging/deb/debian/changelog"
THIS_VERSION = re.search(r"\((.+?)(-\d+)?\)", CHANGELOG.read_text())[1]
PREFIX = "pdagent-upgrade-"


def step_key(step, host):
    """The integration key of the event that was pending at a step of a host."""
    name = host.backend.name.removeprefix(PREFIX)
    return hashlib.md5(f"{step} {name}".encode()).hexdigest()


def delivered_once(host, arrived, step):
    """Wait until the event of a step is settled; return it, which came once."""
    key = step_key(step, host)
    arrived(1, key=key)
    settled = f"until ls /var/lib/pdagent/outqueue/suc | grep -q {key}; do sleep 0.1; done"
    host.run_expect([0], "timeout 30 sh -c %s", settled)
    return arrived(1, key=key)[0]


def version(host):
    """The version that the agent calls itself."""
    return host.check_output("pd-send --version").split()[-1]
