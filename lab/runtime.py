#!/usr/bin/env python3
"""Which podman options a container with an init system needs on this machine.

Run as a script it prints them as JSON, in the words of containers.podman.podman_container.
"""

import json
from pathlib import Path

CAP_SYS_RESOURCE = 1 << 24
HERE = Path("/")
# What an init system and the agent need by far; podman's own defaults are higher.
LIMITS = {"nofile": ("Max open files", 20000), "nproc": ("Max processes", 10000)}


def has_cgroup_v2(machine=HERE):
    """Return whether the unified hierarchy alone is mounted (not v1, not the hybrid)."""
    return (machine / "sys/fs/cgroup/cgroup.controllers").exists()


def may_raise_limits(machine=HERE):
    """Return whether this process holds CAP_SYS_RESOURCE."""
    status = (machine / "proc/self/status").read_text()
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) & CAP_SYS_RESOURCE)


def limits_within_reach(machine=HERE):
    """Return the limits as podman's --ulimit wants them, none above this process's own."""
    lines = (machine / "proc/self/limits").read_text().splitlines()
    hard = {
        name: next(line for line in lines if line.startswith(title))[len(title) :].split()[1]
        for name, (title, _) in LIMITS.items()
    }
    values = {
        name: wanted if hard[name] == "unlimited" else min(wanted, int(hard[name]))
        for name, (_, wanted) in LIMITS.items()
    }
    return [f"{name}={value}:{value}" for name, value in values.items()]


def container_options(machine=HERE):
    """Return the options for the machine whose file system `machine` is the root of.

    crun refuses hybrid cgroups, runc does not. Without CAP_SYS_RESOURCE podman's own default
    limits cannot be set; lower ones can.
    """
    return {
        "runtime": "" if has_cgroup_v2(machine) else "runc",
        "ulimits": [] if may_raise_limits(machine) else limits_within_reach(machine),
    }


def podman_arguments(machine=HERE):
    """Return the same options as arguments of `podman run`."""
    options = container_options(machine)
    runtime = [f"--runtime={options['runtime']}"] if options["runtime"] else []
    return runtime + [f"--ulimit={limit}" for limit in options["ulimits"]]


if __name__ == "__main__":
    print(json.dumps(container_options()))
