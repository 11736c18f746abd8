"""Where the package came from."""

from __future__ import annotations


def test_packages_and_metadata_must_both_be_signed(host):
    lines = host.file("/etc/yum.repos.d/pdagent.repo").content_string.splitlines()
    assert "baseurl=http://packages.pdagent.test/yum" in [line.replace(" ", "") for line in lines]
    assert {"gpgcheck=1", "repo_gpgcheck=1"} <= {line.replace(" ", "") for line in lines}


def test_installed_package_carries_the_signature_of_the_repository(host):
    signature = host.check_output("rpm -q --queryformat '%{RSAHEADER:pgpsig}' pdagent")
    assert signature.startswith(("RSA/SHA256", "RSA/SHA512"))
