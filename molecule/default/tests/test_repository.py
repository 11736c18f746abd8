"""Where the package came from."""

from __future__ import annotations

import re


def test_package_came_from_the_repository(host):
    policy = host.check_output("apt-cache policy pdagent")
    assert re.search(r"\*\*\* \S+ \d+\n +500 http://packages.pdagent.test/apt ", policy)


def test_apt_trusts_the_repository_for_its_own_key_alone(host):
    (source,) = host.file("/etc/apt/sources.list.d").listdir()
    lines = host.file(f"/etc/apt/sources.list.d/{source}").content_string.splitlines()
    assert "URIs: http://packages.pdagent.test/apt" in lines
    assert any(line.startswith("Signed-By: /") for line in lines)
    assert host.file("/etc/apt/trusted.gpg.d").listdir() == host_keys(host)


def host_keys(host):
    """The keys that the distribution itself installs."""
    return host.check_output(
        "dpkg -L debian-archive-keyring | sed -n 's,^/etc/apt/trusted.gpg.d/,,p'"
    ).split()
