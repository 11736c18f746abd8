"""This release took over a host of version 1.7."""

from __future__ import annotations

from steps import THIS_VERSION, delivered_once, version


def test_event_pending_since_version1_is_delivered_once(host, arrived):
    event = delivered_once(host, arrived, "version1")
    assert event["body"]["description"] == "pending since 1.7"


def test_nothing_of_version1_is_left(host):
    assert host.run("ls -d /usr/lib/python3/*-packages/pdagent").stdout == ""
    assert not host.file("/usr/share/pdagent/bin/pdagentd.py").exists


def test_this_release_runs_and_starts_at_boot(host):
    assert version(host) == THIS_VERSION
    service = host.service("pdagent")
    assert service.is_running
    assert service.is_enabled


def test_new_event_arrives(send, arrived):
    send("after the take-over")
    arrived(1)
