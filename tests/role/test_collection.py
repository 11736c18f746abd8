"""The collection's archive: what is in it, that Galaxy would take it, that it works alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile

import yaml

from tests.role.conftest import SERVED
from tests.role.playbook import BIN, ROOT

SHIPPED = {"CHANGELOG.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md"}
FOLDERS = {"meta", "playbooks", "roles"}
HOST = "debian12-systemd"
CONFIGURATION = """\
[defaults]
collections_path = collections
connection_plugins = plugins
inventory = hosts.yml
pipelining = true
"""


def test_archive_holds_role_and_playbooks_and_nothing_of_the_agent(collection_archive):
    with tarfile.open(collection_archive) as archive:
        names = {member.name for member in archive if member.isfile()}
    assert {name for name in names if "/" not in name} == SHIPPED
    assert {name.split("/")[0] for name in names if "/" in name} == FOLDERS


def test_galaxy_importer_has_nothing_to_say(collection_archive):
    command = [sys.executable, "-m", "galaxy_importer.main", collection_archive.name]
    done = subprocess.run(
        command, cwd=collection_archive.parent, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert "Importer processing completed successfully" in done.stdout
    assert not re.search("^(WARNING|ERROR)", done.stdout, re.MULTILINE), done.stdout


def test_archive_alone_rolls_out_from_any_directory(collection_archive, testbed, tmp_path):
    """An SRE's own directory: the archive, an inventory, a key, no checkout anywhere."""
    (tmp_path / "ansible.cfg").write_text(CONFIGURATION)
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"pdagent": fleet(testbed)}))
    shutil.copy(SERVED / "pdagent-archive-keyring.asc", tmp_path)
    shutil.copytree(ROOT / "molecule/shared/connection_plugins", tmp_path / "plugins")
    testbed.renew(HOST)

    def run(*command: object) -> str:
        environment = {name: os.environ[name] for name in ("HOME", "PATH")}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    run(BIN / "ansible-galaxy", "collection", "install", "--offline", collection_archive)
    output = run(BIN / "ansible-playbook", "pdagent.agent.rollout", "-vvv")
    assert f"task path: {tmp_path}/collections/ansible_collections/pdagent/agent/" in output
    assert not re.search(f"{ROOT}/(roles|playbooks)", output)
    assert re.search(f"{HOST} +well", output), output


def fleet(testbed) -> dict[str, object]:
    """Return the inventory's only group: one host, reached as the testbed's are."""
    connection = {
        "ansible_become": False,  # the testbed's hosts are entered as root
        "ansible_connection": "podman_pipe",
        "ansible_host": testbed.container(HOST),
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    variables = {
        "pdagent_apt_repository_url": "http://packages.pdagent.test/apt",
        "pdagent_signing_key": "{{ inventory_dir }}/pdagent-archive-keyring.asc",
    }
    return {"hosts": {HOST: connection}, "vars": variables}
