"""Hosts that are not as they should be: fail or warn clearly, and work after mending."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.packaging.machine import QUEUE, Machine

CURRENT = "/packages/current"


def refused(machine: Machine, *words: str) -> None:
    """Install, expecting a failure whose output has the words."""
    done = machine.run(f"{machine.family.install.format(machine.files(CURRENT))} 2>&1", check=False)
    assert done.returncode != 0
    assert [word for word in words if word not in done.stdout] == [], done.stdout
    assert "Traceback" not in done.stdout


def works(machine: Machine) -> None:
    """Install (or finish installing) and see an event queued."""
    machine.install(CURRENT, "reinstall")
    machine.send("works")
    assert len(machine.queued("pdq") + machine.queued("suc")) == 1


@pytest.fixture(params=["debian12-sysv", "rpm-systemd"])
def machine(request: pytest.FixtureRequest, make_machine: Callable[..., Machine]) -> Machine:
    """A fresh host of each family."""
    return make_machine(request.param)


@pytest.mark.parametrize("path", ["/var/lib/pdagent", "/var/log/pdagent", f"{QUEUE}/pdq"])
def test_file_where_a_directory_belongs_is_named(machine: Machine, path: str) -> None:
    machine.write(path, "in the way")
    refused(machine, f"{path} is in the way", "must be a directory")
    machine.run(f"rm {path}")
    works(machine)


def test_old_python_is_named(machine: Machine) -> None:
    machine.run("mv /usr/bin/python3 /usr/bin/python3.kept")
    machine.write("/usr/bin/python3", "#!/bin/sh\nexit 1\n")
    machine.run("chmod 0755 /usr/bin/python3")
    refused(machine, "must be Python 3.9 or newer")
    machine.run("mv /usr/bin/python3.kept /usr/bin/python3")
    works(machine)


def test_missing_requests_is_named(machine: Machine) -> None:
    where = machine.out("python3 -c 'import requests; print(requests.__path__[0])'")
    machine.run(f"mv {where} {where}.kept")
    refused(machine, "requests")
    machine.run(f"mv {where}.kept {where}")
    works(machine)


def test_existing_user_with_another_home_is_used_and_named(machine: Machine) -> None:
    machine.run("useradd --home-dir /srv/elsewhere --create-home --shell /bin/bash pdagent")
    printed = machine.install(CURRENT)
    assert "using the existing user pdagent, whose home is /srv/elsewhere" in printed
    assert machine.out(f"stat -c %U {QUEUE}/pdq") == "pdagent"
    assert machine.pid()
    works(machine)


def test_symbolic_link_of_another_user_is_not_followed(machine: Machine) -> None:
    """The queue lies in a directory of pdagent, and the package scripts run as root."""
    machine.install(CURRENT)
    machine.service("stop")
    machine.run(f"rm -rf {QUEUE}/tmp && ln -s /etc {QUEUE}/tmp && chown -h pdagent {QUEUE}/tmp")
    done = machine.run("/usr/share/pdagent/state-dirs", check=False)
    assert done.returncode == 1
    assert f"cannot make {QUEUE}/tmp" in done.stderr
    assert machine.out("stat -c '%U %a' /etc") == "root 755"
    machine.run(f"rm {QUEUE}/tmp")
    works(machine)


@pytest.mark.parametrize("options", ["ro", "nr_inodes=1"], ids=["read-only", "full"])
def test_queue_on_a_file_system_that_takes_nothing(
    make_machine: Callable[..., Machine], options: str
) -> None:
    machine = make_machine("debian12-systemd", privileges="--cap-add=SYS_ADMIN")
    machine.run(f"mkdir /var/lib/pdagent && mount -t tmpfs -o {options} tmpfs /var/lib/pdagent")
    refused(machine, "/var/lib/pdagent", "dpkg: error")
    machine.run("umount /var/lib/pdagent")
    works(machine)
