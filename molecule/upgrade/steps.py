"""What the scenario's tests share."""

from __future__ import annotations

import hashlib

PREFIX = "pdagent-upgrade-"


def step_key(step, host):
    """The integration key of the event that was pending at a step of a host."""
    name = host.backend.name.removeprefix(PREFIX)
    return hashlib.md5(f"{step} {name}".encode()).hexdigest()


def version(host):
    """The version that the agent calls itself."""
    return host.check_output("pd-send --version").split()[-1]
