"""The later release was rolled back."""

from __future__ import annotations

from steps import THIS_VERSION, delivered_once, version


def test_earlier_version_runs(host):
    assert version(host) == THIS_VERSION
    assert host.service("pdagent").is_running


def test_event_pending_at_the_downgrade_is_delivered_once(host, arrived):
    delivered_once(host, arrived, "downgrade")
