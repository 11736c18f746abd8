"""Containers get the runtime and the limits that the machine allows."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from lab import runtime
from lab.console import ROOT

CGROUPS = {
    "v1": ["memory/memory.stat", "pids/cgroup.procs", "systemd/cgroup.procs"],
    "hybrid": ["memory/memory.stat", "pids/cgroup.procs", "unified/cgroup.controllers"],
    "v2": ["cgroup.controllers", "cgroup.procs"],
}
ALL_CAPABILITIES, WITHOUT_SYS_RESOURCE = "000001ffffffffff", "000001fffeffffff"
LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max processes             {processes:<20} {processes:<20} processes
Max open files            1024                 {files:<20} files
"""
LOWER = ["--ulimit=nofile=20000:20000", "--ulimit=nproc=10000:10000"]


@pytest.fixture
def machine(tmp_path):
    """Make the files of a machine's kernel that the choice depends on; return their root."""

    def machine(cgroups, capabilities, *, files="1048576", processes="unlimited"):
        for path in CGROUPS[cgroups]:
            file = tmp_path / "sys/fs/cgroup" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        process = tmp_path / "proc/self"
        process.mkdir(parents=True)
        (process / "status").write_text(f"Name:\tpython3\nCapEff:\t{capabilities}\nSeccomp:\t0\n")
        (process / "limits").write_text(LIMITS.format(files=files, processes=processes))
        return tmp_path

    return machine


@pytest.mark.parametrize(
    ("cgroups", "capabilities", "arguments"),
    [
        ("v2", ALL_CAPABILITIES, []),
        ("v2", WITHOUT_SYS_RESOURCE, LOWER),
        ("hybrid", ALL_CAPABILITIES, ["--runtime=runc"]),
        ("hybrid", WITHOUT_SYS_RESOURCE, ["--runtime=runc", *LOWER]),
        ("v1", ALL_CAPABILITIES, ["--runtime=runc"]),
        ("v1", WITHOUT_SYS_RESOURCE, ["--runtime=runc", *LOWER]),
    ],
)
def test_runtime_follows_cgroups_and_limits_follow_capabilities(
    machine, cgroups, capabilities, arguments
):
    assert runtime.podman_arguments(machine(cgroups, capabilities)) == arguments


def test_no_limit_is_asked_for_above_what_the_process_has_itself(machine):
    small = machine("v2", WITHOUT_SYS_RESOURCE, files="4096", processes="500")
    assert runtime.container_options(small)["ulimits"] == ["nofile=4096:4096", "nproc=500:500"]


def test_process_that_gave_the_capability_up_gets_limits():
    drop = ["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource"]
    answer = subprocess.check_output([*drop, sys.executable, ROOT / "lab/runtime.py"], text=True)
    assert [limit.partition("=")[0] for limit in json.loads(answer)["ulimits"]] == [
        "nofile",
        "nproc",
    ]
