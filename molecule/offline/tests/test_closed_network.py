"""A host in a closed network gets the agent without any repository."""

from __future__ import annotations

import re
import subprocess
import time


def test_no_repository_is_configured(host):
    folder = "/etc/yum.repos.d" if host.exists("dnf") else "/etc/apt/sources.list.d"
    assert host.file(folder).listdir() == []


def test_package_server_was_asked_for_nothing(host):
    question = "/asked-by-this-test"  # what the server logs is seen by it
    host.run(f"curl -s http://packages.pdagent.test{question}")
    command = ["podman", "logs", "pdagent-offline-packages"]
    asked = []
    deadline = time.monotonic() + 30
    while question not in asked and time.monotonic() < deadline:
        log = subprocess.run(command, capture_output=True, text=True, check=True)
        asked = re.findall('"(?:GET|HEAD) (\\S+)', log.stdout + log.stderr)
    assert set(asked) == {question}


def test_host_has_no_route_out(host):
    assert "default" not in host.check_output("ip route")
