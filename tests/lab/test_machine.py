"""Whatever keeps the lab from running is said in one sentence, with the command to go on."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from lab import machine, testbed
from lab.console import ROOT, LabError, run


def test_port_in_use_is_named_with_the_way_to_find_who_has_it():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LabError, match=rf"Port {port} .* in use.*LAB_PORT=.*ss -ltnp"):
            machine.check_port(port)


def test_missing_tool_is_named_with_the_command_that_installs_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match=r"Missing: .*mmdebstrap, podman.*make setup"):
        machine.check_tools()


def test_full_disk_is_named_with_what_is_free_and_what_is_needed(monkeypatch):
    monkeypatch.setattr(machine, "DISK_NEEDED_MB", 10**9)
    with pytest.raises(LabError, match=r"Only \d+ MB are free under .* needs 1000000000 MB.*df -h"):
        machine.check_disk()


def test_ordinary_user_is_told_to_be_root():
    code = "import os\nfrom lab import machine\nos.setuid(65534)\nmachine.check(1)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    told = done.stderr.splitlines()[-1].partition(": ")[2]
    assert told == "The lab needs root, because it boots init systems. Run: sudo make lab"


def test_failed_command_ends_with_its_reason_and_its_log():
    error = "[ERROR]: Task failed: Module failed: no such image\n"
    with pytest.raises(LabError) as failure:
        run([sys.executable, "-c", f"print({error!r}); raise SystemExit(1)"], "boot", why="No boot")
    assert str(failure.value) == "No boot: no such image. To see more: tail -40 .cache/log/boot.log"


def test_failed_command_without_ansible_ends_with_its_last_line():
    code = "print('building'); print('build: install shtab.'); raise SystemExit(1)"
    with pytest.raises(LabError, match=r"^No package: build: install shtab. To see more: tail"):
        run([sys.executable, "-c", code], "package", why="No package")


def test_shell_on_a_host_that_is_not_there_lists_those_that_are():
    done = subprocess.run(
        [sys.executable, "-m", "lab", "shell", "typo"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert all(host in done.stderr for host in testbed.hosts())
    assert "Traceback" not in done.stderr
