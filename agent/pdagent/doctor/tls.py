"""The guide's chapter "Testing TLS"."""

from __future__ import annotations

import glob
import os
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pdagent.doctor import basic, certificate, probe, units
from pdagent.doctor.certificate import Certificate
from pdagent.doctor.check import FAIL, OK, WARN, Check, Finding, Results, ok, skip
from pdagent.doctor.destinations import Destination
from pdagent.doctor.host import Context
from pdagent.doctor.network import addresses_of
from pdagent.doctor.proxy import take
from pdagent.trust import Trust, TrustError

HANDSHAKE_SECONDS = 5.0
EXPIRY_DAYS = 14
DAY = 86400

# OpenSSL's X509_V_ERR_* codes, x509_vfy.h.
DATE_ERRORS = (9, 10)  # not yet valid, expired
_HOSTNAME = 62
_UNKNOWN_CA = (2, 18, 19, 20, 21)

_STORE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")

# Where a host's own administrator adds certificate authorities.
_LOCAL_CA_FILES = (
    "/usr/local/share/ca-certificates/**/*.crt",
    "/etc/pki/ca-trust/source/anchors/*",
    "/etc/pki/trust/anchors/*",
)


@dataclass
class Handshake:
    """One TLS handshake: what was agreed, or why it failed."""

    version: str = ""
    cipher: str = ""
    chain: list[Certificate] = field(default_factory=list)
    error: str = ""
    code: int = 0
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the handshake for a Finding's detail."""
        return {
            "version": self.version,
            "cipher": self.cipher,
            "chain": [one.as_json() for one in self.chain],
            "error": self.error,
            "verify_code": self.code,
            "seconds": self.seconds,
        }


def shake(
    context: Context, destination: Destination, addresses: Sequence[str], tls: ssl.SSLContext
) -> Handshake:
    """Do one handshake with destination as the daemon would, and say how it went."""
    source = context.settings.source_address
    started = time.monotonic()
    result = Handshake()
    try:
        tcp = probe.open_to(destination, addresses, source, timeout=HANDSHAKE_SECONDS)
        with tcp, tls.wrap_socket(tcp, server_hostname=destination.host) as connection:
            result.version = connection.version() or ""
            result.cipher = (connection.cipher() or ("",))[0]
            verified = tls.verify_mode != ssl.CERT_NONE
            result.chain = certificate.chain_of(connection, verified=verified)
    except ssl.SSLCertVerificationError as error:
        result.error, result.code = error.verify_message, error.verify_code
    except ssl.SSLError as error:
        result.error = (error.reason or str(error)).replace("_", " ").lower()
    except OSError as error:
        result.error = probe.word(error)
    result.seconds = round(time.monotonic() - started, 3)
    return result


def trusting_anyone() -> ssl.SSLContext:
    """Return a context that verifies nothing: to look at a certificate, never to send."""
    tls = ssl.create_default_context()
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    return tls


def certificates(context: Context, results: Results) -> Finding:
    """Verify the certificate of the host that takes the events."""
    destination = context.events
    if not destination.tls:
        return skip(f"{destination.url} is not https")
    addresses = addresses_of(destination, results)
    try:
        tls = Trust(context.settings.ca_file).context
    except TrustError as error:
        return basic.unusable_ca(context, error)
    done = shake(context, destination, addresses, tls)
    if not done.error:
        return _trusted(destination, done, context.settings.ca_file)
    seen = shake(context, destination, addresses, trusting_anyone())
    done.chain = seen.chain
    detail = {"host": str(destination), **done.as_json()}
    return _broken(context, destination, done, detail)


def _trusted(destination: Destination, done: Handshake, ca_file: str) -> Finding:
    days = int((min(one.not_after for one in done.chain) - time.time()) / DAY) if done.chain else 0
    root = done.chain[-1].issuer.partition("=")[2] if done.chain else "unknown"
    added = intercepting_ca(done.chain, ca_file)
    via = ", which was added to this host: TLS is intercepted" if added else ""
    text = f"{done.version.replace('v', ' ')}, chain valid for {days} days, root {root}{via}"
    detail = {"host": str(destination), "days": days, "added_ca": added, **done.as_json()}
    if days >= EXPIRY_DAYS or not done.chain:
        return Finding(OK, text, detail=detail)
    return Finding(
        WARN,
        f"the certificate of {destination.host} ends in {days} days",
        expected=f"more than {EXPIRY_DAYS} days left",
        fix="tell whoever runs the host or the proxy that issued it",
        command=_s_client(destination),
        detail=detail,
    )


def intercepting_ca(chain: Sequence[Certificate], ca_file: str) -> str:
    """Return the chain's root if this host's administrator added it, else nothing."""
    if not chain:
        return ""
    if ca_file:
        return chain[-1].issuer
    top = chain[-1]  # the root, or before Python 3.10 the leaf
    known = any(one.fingerprint == top.fingerprint or one.subject == top.issuer for one in _added())
    return top.issuer if known else ""


def _added() -> list[Certificate]:
    """Return the authorities that this host's administrator added."""
    found = []
    for pattern in _LOCAL_CA_FILES:
        for path in glob.glob(pattern, recursive=True):
            with suppress(OSError, ValueError), open(path, encoding="ascii") as file:
                der = ssl.PEM_cert_to_DER_cert(file.read())
                found.append(certificate.decode(der))
    return found


def _broken(
    context: Context, destination: Destination, done: Handshake, detail: dict[str, Any]
) -> Finding:
    leaf = done.chain[0] if done.chain else None
    if done.code in _UNKNOWN_CA and not context.settings.ca_file and _trusts_nobody():
        return _no_authorities(context, detail)
    if done.code in _UNKNOWN_CA and leaf:
        return _unknown_ca(destination, done, detail)
    if done.code == _HOSTNAME and leaf:
        return _wrong_host(destination, leaf, detail)
    if done.code in DATE_ERRORS and leaf:
        return _tls_failure(
            destination, f"the certificate of {destination.host} {_out_of_date(leaf)}", detail
        )
    return _tls_failure(destination, f"the TLS handshake fails: {done.error}", detail)


def _out_of_date(leaf: Certificate) -> str:
    early = time.time() < leaf.not_before
    day = time.strftime("%Y-%m-%d", time.gmtime(leaf.not_before if early else leaf.not_after))
    return f"is not valid before {day}" if early else f"expired on {day}"


def _trusts_nobody() -> bool:
    """Tell whether OpenSSL finds no certificate where it looks for the system's."""
    paths = ssl.get_default_verify_paths()  # None for what is not there
    bundle = bool(paths.cafile) and os.path.getsize(paths.cafile) > 0
    return not bundle and not (paths.capath and os.listdir(paths.capath))


def _no_authorities(context: Context, detail: dict[str, Any]) -> Finding:
    fix, command = _refill_store(context)
    return Finding(
        FAIL,
        "the agent trusts nobody: there is no CA certificate where it looks for the system's",
        expected="a trust store with the public CAs",
        fix=fix,
        command=command,
        detail=detail,
    )


def _refill_store(context: Context) -> tuple[str, str]:
    variable = next((name for name in _STORE_VARIABLES if os.environ.get(name)), "")
    if variable:
        where = units.origin_of(variable)
        fix = f"correct {variable} where the service gets its environment, or remove it"
        return fix, f"sudoedit {where} && {take(context, where)}"
    fix = "have the system make its trust store anew"
    if os.path.isdir("/etc/pki/ca-trust"):
        return fix, "sudo update-ca-trust"
    return fix, "sudo update-ca-certificates --fresh"


def _unknown_ca(destination: Destination, done: Handshake, detail: dict[str, Any]) -> Finding:
    top = done.chain[-1]
    return Finding(
        FAIL,
        f"the certificate of {destination.host} comes from {top.issuer},"
        " which this host does not trust",
        expected="a chain to a trusted CA",
        fix=f"TLS is intercepted, or the CA is missing: get {top.issuer} from your network"
        " team as a file and add it to the system's trust store",
        command=_add_ca_command(top),
        detail=detail,
    )


def _add_ca_command(top: Certificate) -> str:
    name = "".join(c if c.isalnum() else "-" for c in top.issuer.partition("=")[2]).strip("-")
    if os.path.isdir("/etc/pki/ca-trust"):
        return f"sudo cp {name}.crt /etc/pki/ca-trust/source/anchors/ && sudo update-ca-trust"
    folder = "/usr/local/share/ca-certificates/"
    return f"sudo cp {name}.crt {folder} && sudo update-ca-certificates"


def _wrong_host(destination: Destination, leaf: Certificate, detail: dict[str, Any]) -> Finding:
    names = ", ".join(leaf.names) or leaf.subject
    pinned = _pinned_in_hosts(destination.host)
    return Finding(
        FAIL,
        f"the certificate is for {names}, not for {destination.host}",
        expected=f"a certificate for {destination.host}",
        fix="/etc/hosts sends the name elsewhere: remove the line"
        if pinned
        else "something else answers there: a wrong address, a captive portal or a proxy",
        command=f"sudo sed -i '/{destination.host}/d' /etc/hosts"
        if pinned
        else _s_client(destination),
        detail=detail,
    )


def _pinned_in_hosts(name: str) -> bool:
    try:
        with open("/etc/hosts", encoding="utf-8", errors="replace") as file:
            return any(name in line.partition("#")[0].split() for line in file)
    except OSError:
        return False


def _tls_failure(destination: Destination, seen: str, detail: dict[str, Any]) -> Finding:
    return Finding(
        FAIL,
        seen,
        expected="TLS 1.2 or newer and a valid certificate",
        fix="tell whoever runs the host, the proxy or the firewall in between",
        command=_s_client(destination),
        detail=detail,
    )


def _s_client(destination: Destination) -> str:
    via = "" if not destination.proxy else f" -proxy {':'.join(map(str, destination.peer))}"
    name = destination.host
    return f"openssl s_client -connect {destination} -servername {name}{via} </dev/null"


def legacy(context: Context, results: Results) -> Finding:
    """Check that this host's OpenSSL can do TLS 1.2 and that the old protocols are refused."""
    library = " ".join(ssl.OPENSSL_VERSION.split()[:2])
    if not ssl.HAS_TLSv1_2:
        return Finding(
            FAIL,
            f"{library} cannot do TLS 1.2",
            expected="OpenSSL with TLS 1.2 or newer",
            fix="update OpenSSL and Python",
            command="sudo apt-get install --only-upgrade openssl python3",
        )
    destination = context.events
    if not destination.tls:
        return ok(f"{library} does TLS 1.2 and newer", library=library)
    done = shake(context, destination, addresses_of(destination, results), _old_protocols())
    if done.version:
        return Finding(
            WARN,
            f"{destination.host} accepts {done.version}: that is not PagerDuty's own server",
            expected="old protocols are refused",
            fix="an intercepting device in between is out of date: tell your network team",
            command=_s_client(destination),
            detail={"library": library, **done.as_json()},
        )
    return ok(f"TLS 1.0 and 1.1 are refused; {library}", library=library)


def _old_protocols() -> ssl.SSLContext:
    import warnings

    tls = trusting_anyone()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        tls.minimum_version = ssl.TLSVersion.TLSv1
        tls.maximum_version = ssl.TLSVersion.TLSv1_1
    with suppress(ssl.SSLError):
        tls.set_ciphers("ALL:@SECLEVEL=0")
    return tls


REACHED = ("net.tcp", "proxy.connect")

CHECKS = (
    Check(
        id="net.tls",
        group="network",
        question="Is the TLS connection to PagerDuty sound, and whose certificate is it?",
        guide="testing-tls",
        run=certificates,
        needs=REACHED,
        after=("net.dns", "proxy.dns", "net.tcp", "proxy.tcp"),
        follows=("config.parse", "time.clock"),
        limit=12.0,
        network=True,
    ),
    Check(
        id="net.tls.legacy",
        group="network",
        question="Can this host do TLS 1.2, and are older protocols refused?",
        guide="testing-tls",
        run=legacy,
        needs=REACHED,
        after=("net.dns", "proxy.dns", "net.tcp", "proxy.tcp"),
        follows=("net.tls",),
        limit=12.0,
        network=True,
    ),
)
