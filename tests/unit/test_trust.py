"""Which certificates are trusted, and that a broken file takes none away: promise 8."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest

from pdagent.trust import Trust, TrustError
from tests.emulator.fixtures import Certificates


def test_a_changed_file_is_loaded_again(certificates: Certificates, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(Path(certificates.ca_file).read_bytes())
    trust = Trust(str(path))
    before = trust.context
    assert not trust.refresh()
    path.write_bytes(path.read_bytes() + b"\n")
    assert trust.refresh()
    assert trust.context is not before


def test_a_broken_file_keeps_the_certificates(certificates: Certificates, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(Path(certificates.ca_file).read_bytes())
    trust = Trust(str(path))
    before = trust.context
    for spoil in (lambda: path.write_text("nonsense"), path.unlink):
        spoil()
        with pytest.raises(TrustError):
            trust.refresh()
        assert trust.context is before
        assert not trust.refresh()


def test_nothing_below_tls_1_2_and_no_name_unchecked() -> None:
    context = Trust().context
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
    assert context.get_ca_certs() or os.listdir(ssl.get_default_verify_paths().capath or "/")
