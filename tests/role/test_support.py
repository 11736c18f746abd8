"""Hosts that are not supported, and sources that are not described: refused in words."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.role.playbook import play
from tests.role.pretended import play_role

SOURCE = {"pdagent_apt_repository_url": "http://localhost", "pdagent_signing_key": "/key"}


@pytest.fixture
def on_host_with(collections: Path, tmp_path: Path):
    """Run the role as on a host with these facts; it never gets far enough to act."""
    return partial(play_role, tmp_path, collections)


@pytest.mark.parametrize(
    ("facts", "named"),
    [
        ({"distribution": "openSUSE Leap", "pkg_mgr": "zypper"}, "openSUSE Leap 12.9 with zypper"),
        ({"distribution_major_version": "10", "distribution_version": "10.3"}, "Debian 10.3"),
        ({"distribution": "Rocky", "distribution_major_version": "8", "pkg_mgr": "dnf"}, "Rocky"),
        ({"service_mgr": "openrc"}, "apt and openrc is not supported"),
    ],
)
def test_unsupported_host_is_refused_and_named(on_host_with, facts, named):
    run = on_host_with(facts)
    assert run.code == 2
    assert named in run.words
    assert "pdagent needs apt or dnf, systemd or sysvinit" in run.words
    assert set(run.changed.values()) == {0}


def test_container_that_no_init_system_runs_is_refused_untouched(testbed):
    before = testbed.downloads()
    run = testbed.rollout("packages", pdagent_hosts="packages")
    assert run.code != 0
    assert "with apt and python3 is not supported" in run.words
    assert run.changed == {"packages": 0}
    assert testbed.downloads() == before


def test_only_the_facts_that_are_used_are_gathered(collections, tmp_path):
    role = {"ansible.builtin.include_role": {"name": "pdagent.agent.pdagent"}}
    show = {"ansible.builtin.debug": {"msg": "{{ ansible_facts.keys() | list }}"}}
    playbook = tmp_path / "facts.yml"
    tasks = [{"block": [role], "always": [show]}]
    playbook.write_text(
        yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}])
    )
    run = play(
        playbook, "-c", "local", collections=collections,
        ansible_python_interpreter=sys.executable,
    )  # fmt: skip
    gathered = run.output.split("ok: [localhost] => {")[-1]
    assert '"service_mgr"' in gathered
    for costly in ("processor", "interfaces", "mounts", "date_time"):
        assert f'"{costly}"' not in gathered


def test_facts_that_are_there_are_not_gathered_again(on_host_with):
    run = on_host_with({})
    assert "Gather the facts that are missing]" in run.words
    assert "skipping: [localhost]" in run.output.split("that are missing]")[1].split("TASK")[0]


def test_testing_release_without_a_number_is_not_taken_for_an_old_one(on_host_with):
    run = on_host_with({"distribution_major_version": "n/a"})
    assert "pdagent needs apt or dnf" not in run.words


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "pdagent_apt_repository_url and pdagent_signing_key"),
        ({"pdagent_install_from": "file"}, "pdagent_package_files and pdagent_package_checksums"),
        ({"pdagent_install_from": "url", "pdagent_package_checksums": "c"}, "pdagent_package_urls"),
    ],
)
def test_source_that_is_not_described_is_refused(on_host_with, given, missing):
    run = on_host_with({}, **given)
    assert run.code == 2
    assert f"needs {missing}" in run.words


def test_test_event_without_a_key_is_refused(on_host_with):
    run = on_host_with({}, **SOURCE, pdagent_test_event=True)
    assert run.code == 2
    assert "needs pdagent_integration_key" in run.words


def test_two_bundles_of_cas_are_refused(on_host_with):
    config = {"ca_file": "/etc/ssl/ours.pem"}
    run = on_host_with({}, **SOURCE, pdagent_ca_bundle="/cas.pem", pdagent_config=config)
    assert run.code == 2
    assert "pdagent_ca_bundle and ca_file in pdagent_config are both given" in run.words


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("GREETING", {"pdagent_environment": {"GREETING": "it's"}}),
        ("GREETING-2", {"pdagent_environment": {"GREETING-2": "hello"}}),
        ("no_proxy", {"pdagent_proxy": {"no_proxy": "a.example.net,\nb.example.net"}}),
    ],
)
def test_variable_that_the_init_systems_read_differently_is_refused(on_host_with, name, variables):
    run = on_host_with({}, **SOURCE, **variables)
    assert run.code == 2
    assert f"{name} in pdagent_environment or pdagent_proxy cannot be written" in run.words


def test_switch_that_is_off_as_text_is_off(on_host_with):
    """As -e pdagent_test_event=false on a command line gives it."""
    bad = {"GREETING": "it's"}
    run = on_host_with({}, **SOURCE, pdagent_test_event="false", pdagent_environment=bad)
    assert "GREETING in pdagent_environment" in run.words


def test_signing_key_that_is_not_on_the_controller_is_named(on_host_with, tmp_path):
    run = on_host_with(
        {},
        pdagent_install_from="url",
        pdagent_package_urls=["http://localhost/pdagent.deb"],
        pdagent_package_checksums=str(tmp_path / "SHA256SUMS"),
        pdagent_signing_key="/nowhere/key.asc",
    )
    assert run.code == 2
    assert "gpg says: gpg: can't open '/nowhere/key.asc'" in run.words


@pytest.mark.parametrize(
    "proxy",
    [
        "http://user:pl4nted@proxy.example.net:3128",
        "http://user:pl4nted/2@proxy.example.net:3128",
        "user:pl4nted@proxy.example.net:3128",
    ],
)
def test_password_that_a_download_would_show_is_refused(on_host_with, proxy):
    run = on_host_with(
        {},
        pdagent_install_from="url",
        pdagent_package_urls=["http://localhost/pdagent.deb"],
        pdagent_package_checksums="/SHA256SUMS",
        pdagent_signing_key="/key",
        pdagent_download_proxy=proxy,
    )
    assert run.code == 2
    assert "would print at -vvv" in run.words
    assert "pl4nted" not in run.output
