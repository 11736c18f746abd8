"""A later release was rolled out over this one."""

from __future__ import annotations

from build_versions import LATER_VERSION
from steps import delivered_once, version


def test_later_version_runs(host):
    assert version(host) == LATER_VERSION
    assert host.service("pdagent").is_running


def test_event_pending_at_the_upgrade_is_delivered_once(host, arrived):
    delivered_once(host, arrived, "upgrade")
