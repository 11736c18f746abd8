"""The collection's archive: what is in it, and that Galaxy would take it."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile

SHIPPED = {"CHANGELOG.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md"}
FOLDERS = {"meta", "playbooks", "roles"}


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
