"""The certificates of a TLS connection, verified or not, as plain values.

Python offers the chain in public from 3.13 on, in private from 3.10 on, and before
that only the leaf: the chain is then shorter, never wrong.
"""

from __future__ import annotations

import hashlib
import os
import ssl
from dataclasses import dataclass
from typing import Any, cast


@dataclass(frozen=True)
class Certificate:
    """One certificate of a chain; times are seconds since the epoch."""

    subject: str
    issuer: str
    not_before: float
    not_after: float
    names: tuple[str, ...]
    fingerprint: str

    def as_json(self) -> dict[str, Any]:
        """Return the certificate for a Finding's detail."""
        return {
            "subject": self.subject,
            "issuer": self.issuer,
            "not_before": self.not_before,
            "not_after": self.not_after,
            "names": list(self.names),
            "sha256": self.fingerprint,
        }


def chain_of(connection: ssl.SSLSocket, *, verified: bool) -> list[Certificate]:
    """Return the chain of connection, the leaf first."""
    return [decode(der) for der in _chain_bytes(connection, verified=verified)]


def _chain_bytes(connection: ssl.SSLSocket, *, verified: bool) -> list[bytes]:
    name = "get_verified_chain" if verified else "get_unverified_chain"
    public = getattr(connection, name, None)
    if public:
        return list(public() or [])
    private = getattr(getattr(connection, "_sslobj", None), name, None)
    if private:
        return [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in private() or []]
    leaf = connection.getpeercert(binary_form=True)
    return [leaf] if leaf else []


def decode(der: bytes) -> Certificate:
    """Return the values of a DER certificate.

    The standard library decodes only files, by a function without a public name.
    """
    # In memory: a disk that is full must not look like a bad certificate.
    with open(os.memfd_create("certificate"), "w", encoding="ascii") as file:
        file.write(ssl.DER_cert_to_PEM_cert(der))
        file.flush()
        path = f"/proc/self/fd/{file.fileno()}"
        fields = cast("dict[str, Any]", ssl._ssl._test_decode_cert(path))  # type: ignore[attr-defined]
    return Certificate(
        subject=_name(fields["subject"]),
        issuer=_name(fields["issuer"]),
        not_before=float(ssl.cert_time_to_seconds(fields["notBefore"])),
        not_after=float(ssl.cert_time_to_seconds(fields["notAfter"])),
        names=tuple(value for _, value in fields.get("subjectAltName", ())),
        fingerprint=hashlib.sha256(der).hexdigest(),
    )


_SHORT = {"commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU"}


def _name(rdns: Any) -> str:
    """Return a distinguished name's CN, or its O or OU where it has none."""
    parts = {key: value for rdn in rdns for key, value in rdn}
    chosen = next((key for key in _SHORT if key in parts), "")
    return f"{_SHORT[chosen]}={parts[chosen]}" if chosen else "no name"
