"""The later release was rolled back."""

from __future__ import annotations

from build_versions import LATER_VERSION
from steps import step_key, version


def test_earlier_version_runs(host):
    assert version(host) != LATER_VERSION
    assert host.service("pdagent").is_running


def test_event_pending_at_the_downgrade_is_delivered_once(host, arrived):
    arrived(1, key=step_key("downgrade", host))
