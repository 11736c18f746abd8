"""A host in a closed network gets the agent without any repository."""

from __future__ import annotations

import subprocess


def test_no_repository_is_configured(host):
    folder = "/etc/yum.repos.d" if host.exists("dnf") else "/etc/apt/sources.list.d"
    assert host.file(folder).listdir() == []


def test_package_server_was_asked_for_nothing(host):
    command = ["podman", "logs", "pdagent-offline-packages"]
    log = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "GET" not in log.stdout + log.stderr


def test_host_has_no_route_out(host):
    assert "default" not in host.check_output("ip route")
