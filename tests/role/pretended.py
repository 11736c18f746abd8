"""The role on a host that is only pretended; it is refused before it could act."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from tests.role.playbook import BIN, Run, play

FACTS = {
    "distribution": "Debian",
    "distribution_major_version": "12",
    "distribution_version": "12.9",
    "os_family": "Debian",
    "pkg_mgr": "apt",
    "service_mgr": "systemd",
}


def play_role(
    directory: Path,
    collections: Path,
    facts: dict[str, str],
    programs: Path = BIN,
    **variables: object,
) -> Run:
    """Run the role on this machine as if it were Debian 12 but for these facts.

    The playbook is written into `directory`; `programs` is that of the ansible-playbook to use.
    """
    gathered = {"ansible.builtin.set_fact": {**FACTS, **facts, "cacheable": True}}
    role = {"ansible.builtin.include_role": {"name": "pdagent.agent.pdagent"}}
    playbook = directory / "role.yml"
    playbook.write_text(
        yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": [gathered, role]}])
    )
    return play(
        playbook, "-c", "local", collections=collections, programs=programs,
        ansible_python_interpreter=sys.executable, **variables,
    )  # fmt: skip
