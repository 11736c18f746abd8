"""Where the package came from."""

from __future__ import annotations


def test_packages_and_metadata_must_both_be_signed(host):
    lines = host.file("/etc/yum.repos.d/pdagent.repo").content_string.splitlines()
    assert "baseurl=http://packages.pdagent.test/yum" in [line.replace(" ", "") for line in lines]
    assert {"gpgcheck=1", "repo_gpgcheck=1"} <= {line.replace(" ", "") for line in lines}


def test_installed_package_carries_the_signature_of_the_repository(host):
    signature = host.check_output("rpm -q --queryformat '%{RSAHEADER:pgpsig}' pdagent")
    algorithm, key_id = signature.partition(",")[0], signature.rpartition(" ")[2].upper()
    assert algorithm in ("RSA/SHA256", "RSA/SHA512")
    keys = host.check_output("gpg --show-keys --with-colons /etc/pki/rpm-gpg/RPM-GPG-KEY-pdagent")
    fields = [line.split(":") for line in keys.splitlines()]
    assert key_id in [words[4] for words in fields if words[0] in ("pub", "sub")]
