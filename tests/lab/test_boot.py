"""A host that does not come up is named, with what happened and where to look."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator

import pytest

from lab import boot


@pytest.fixture
def name() -> Iterator[str]:
    """A container's name; what bears it goes with the test."""
    made = f"pdagent-test-boot-{uuid.uuid4().hex[:8]}"
    yield made
    subprocess.run(["podman", "rm", "-f", "-i", "-t", "0", made], capture_output=True, check=True)


def test_an_init_system_that_ends_is_said(name, capfd):
    assert boot.main(["debian12-systemd", name, "--entrypoint=/bin/false"]) == 1
    assert capfd.readouterr().err == (
        f"{name} did not boot: it has ended. To see why: podman logs {name}\n"
    )


def test_an_image_that_is_not_there_is_said(name, capfd):
    assert boot.main(["no-such-image", name]) == 1
    said = capfd.readouterr().err
    assert said.startswith(f"{name} did not start: Error: ")
    assert said.endswith("no-such-image: image not known. To build the images: make images\n")


def test_a_call_without_a_name_shows_how_to_use_it(capfd):
    assert boot.main(["debian12-systemd"]) == 2
    assert "lab/boot.py IMAGE NAME" in capfd.readouterr().err
