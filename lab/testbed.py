"""The lab's hosts: boot them, roll out, ask them, remove them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from lab.console import ROOT, LabError, run

NAME = "pdagent-lab"
INVENTORIES = ("molecule/shared/inventory", "lab/hosts.yml")
ANSIBLE = {
    "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"),
    "ANSIBLE_CONNECTION_PLUGINS": str(ROOT / "molecule/shared/connection_plugins"),
    "ANSIBLE_FORCE_COLOR": "0",
    "ANSIBLE_FORKS": "10",
    "ANSIBLE_PIPELINING": "1",
    "ANSIBLE_ROLES_PATH": str(ROOT / "roles"),
    "MOLECULE_PROJECT_DIRECTORY": str(ROOT),
    "MOLECULE_SCENARIO_NAME": "lab",
}
BIN = Path(sys.executable).parent


def container(host: str) -> str:
    """Return the name of a host's container."""
    return f"{NAME}-{host}"


def hosts() -> list[str]:
    """Return the inventory's host names, in its order."""
    command = [str(BIN / "ansible-inventory"), "-i", str(ROOT / "lab/hosts.yml"), "--list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    return list(json.loads(listed.stdout)["pdagent"]["hosts"])


def playbook(path: str, log: str, *, why: str, variables: dict[str, object] | None = None) -> str:
    """Run a playbook over the lab's inventory; return its output.

    Raises LabError, beginning with `why`, when it fails.
    """
    inventories = [word for name in INVENTORIES for word in ("-i", name)]
    command = [BIN / "ansible-playbook", *inventories, "-e", json.dumps(variables or {}), path]
    return run(command, log, why=why, env={**os.environ, **ANSIBLE})


def build_images(*, every: bool = False) -> str:
    """Build the images of the lab's hosts and of the services beside them, or every image."""
    wanted = [] if every else [*hosts(), "services"]
    builder = [sys.executable, ROOT / "molecule/images/build.py", *wanted]
    output = run(builder, "images", why="A host image could not be built")
    built = output.count(": built in")
    return f"{built} built, {output.count(': up to date')} up to date"


def boot(port: int) -> str:
    """Create network, CA, emulator, package server and hosts; wait until all are up."""
    why = "The hosts did not boot"
    playbook("molecule/shared/create.yml", "create", why=why, variables={"control_port": port})
    playbook("molecule/shared/prepare.yml", "prepare", why=why)
    return f"{len(hosts())} hosts, emulator at http://127.0.0.1:{port}"


def roll_out() -> str:
    """Run the product's own rollout playbook over the hosts."""
    output = playbook(
        "playbooks/rollout.yml",
        "rollout",
        why="The rollout stopped",
        variables={"pdagent_batches": "1,100%"},
    )
    recap = [line for line in output.splitlines() if "unreachable=" in line]
    changed = sum("changed=0 " not in line for line in recap)
    return f"{changed} of {len(recap)} hosts changed"


def execute(host: str, script: str) -> str:
    """Run a shell script on a host as root and return what it prints.

    Raises LabError when it exits with anything but 0, or the host does not run.
    """
    done = subprocess.run(
        ["podman", "exec", "--interactive", container(host), "sh", "-s"],
        input=script, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise LabError(f"{host}: {reason}. To look into it: make lab-shell HOST={host}")
    return done.stdout


def is_running(host: str) -> bool:
    """Return whether the host's container runs."""
    command = ["podman", "container", "inspect", "-f", "{{.State.Running}}", container(host)]
    state = subprocess.run(command, capture_output=True, text=True, check=False)
    return state.stdout.strip() == "true"


def remove() -> str:
    """Remove hosts, network and keys of the lab; images and packages stay."""
    playbook("molecule/shared/destroy.yml", "destroy", why="The lab could not be removed")
    return "removed"
