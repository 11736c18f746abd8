"""What pd-doctor says of a certificate that is not trusted: the guide's chapter Testing TLS."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from types import SimpleNamespace

import pytest
import trustme

from pdagent.doctor import tls
from pdagent.doctor.check import ok
from pdagent.doctor.destinations import destination
from pdagent.doctor.host import Context


@pytest.fixture(autouse=True)
def no_proxy_for_loopback(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server():
    """The port of a server on loopback with a certificate of a CA nobody knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with suppress(OSError):  # the listener is closed at the end
            while True:
                tcp, _ = listener.accept()
                with suppress(OSError):  # who does not trust us hangs up
                    context.wrap_socket(tcp, server_side=True).close()

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


def judge(port):
    here = SimpleNamespace(
        settings=SimpleNamespace(ca_file="", source_address="0.0.0.0"),
        service_command="{} pdagent".format,
    )
    names = {"net.dns": ok("", hosts={"localhost": {"addresses": ["127.0.0.1"]}})}
    url = f"https://localhost:{port}/v2/enqueue"
    return tls.certificates(Context(here, (destination("events", url),)), names)


def test_a_ca_that_the_system_does_not_know_is_named(monkeypatch, tmp_path, server):
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
    found = judge(server)
    assert (found.status, "which this host does not trust" in found.summary) == ("fail", True)


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_variable_that_leaves_the_agent_without_authorities_is_blamed(
    monkeypatch, tmp_path, server, name
):
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    if name == "SSL_CERT_DIR":
        monkeypatch.setenv("SSL_CERT_FILE", "")
    found = judge(server)
    assert found.summary.startswith("the agent trusts nobody")
    assert found.fix.startswith(f"correct {name} where")
    assert found.command.startswith("sudoedit ")
