"""Every check there is, in causal order: what stands first can explain what follows."""

from __future__ import annotations

from pdagent.doctor import (
    api,
    basic,
    clock,
    disk,
    environment,
    network,
    outqueue,
    proxy,
    sendtest,
    service,
    tls,
)
from pdagent.doctor.check import Check

GROUPS = {
    "service": "Service",
    "config": "Configuration",
    "queue": "Queue",
    "system": "System",
    "network": "Network",
    "proxy": "Proxy",
    "api": "PagerDuty",
}
_CHAPTERS = (
    service,
    environment,
    basic,
    outqueue,
    disk,
    clock,
    network,
    tls,
    proxy,
    api,
    sendtest,
)


def all_checks() -> tuple[Check, ...]:
    """Return the checks, group after group."""
    checks = [check for chapter in _CHAPTERS for check in chapter.CHECKS]
    order = list(GROUPS)
    return tuple(sorted(checks, key=lambda check: order.index(check.group)))
