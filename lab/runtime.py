#!/usr/bin/env python3
"""Which podman options a container with an init system needs on this machine.

Run as a script it prints them as JSON, in the words of containers.podman.podman_container.
"""

import json
from pathlib import Path

CAP_SYS_RESOURCE = 1 << 24


def has_cgroup_v2():
    """Return whether the unified hierarchy alone is mounted (not v1, not the hybrid)."""
    return Path("/sys/fs/cgroup/cgroup.controllers").exists()


def may_raise_limits():
    """Return whether this process holds CAP_SYS_RESOURCE."""
    status = Path("/proc/self/status").read_text()
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) & CAP_SYS_RESOURCE)


def container_options():
    """Return the options: crun refuses hybrid cgroups, runc does not.

    Without CAP_SYS_RESOURCE podman's own default limits cannot be set; lower ones can.
    """
    options = {"runtime": "", "ulimits": []}
    if not has_cgroup_v2():
        options["runtime"] = "runc"
    if not may_raise_limits():
        options["ulimits"] = ["nofile=20000:20000", "nproc=10000:10000"]
    return options


def podman_arguments():
    """Return the same options as arguments of `podman run`."""
    options = container_options()
    runtime = [f"--runtime={options['runtime']}"] if options["runtime"] else []
    return runtime + [f"--ulimit={limit}" for limit in options["ulimits"]]


if __name__ == "__main__":
    print(json.dumps(container_options()))
