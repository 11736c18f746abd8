"""A host in a closed network gets the agent without any repository."""

from __future__ import annotations


def test_no_repository_is_configured(host):
    folder = "/etc/yum.repos.d" if host.exists("dnf") else "/etc/apt/sources.list.d"
    assert host.file(folder).listdir() == []


def test_host_has_no_route_out(host):
    assert "default" not in host.check_output("ip route")
