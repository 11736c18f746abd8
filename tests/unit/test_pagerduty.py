"""Connections to PagerDuty, straight and through proxies: promises 5, 8 and 13."""

from __future__ import annotations

import gzip
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest
import requests

from pdagent import pagerduty
from pdagent.pagerduty import Client, UnreachableError
from pdagent.trust import Trust
from pdagent.verdict import ACCEPTED, NOT_NOW
from tests.emulator.fixtures import Certificates, RunningEmulator

YES = b'{"status":"success","message":"Event processed","dedup_key":"d"}'


@pytest.fixture(autouse=True)
def _no_proxy_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def test_a_pinned_bundle_stays_the_only_one(emulator: RunningEmulator) -> None:
    trust = Trust(emulator.ca_file)
    verdict = Client(trust).deliver(f"{emulator.url}/v2/enqueue", b"{}")
    assert verdict.status == 400
    assert len(trust.context.get_ca_certs()) == 1


# --- connections


class Server:
    """A plain HTTP server that answers each request by the next of its scripts."""

    def __init__(self, *scripts: Callable[[socket.socket], object]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v2/enqueue"
        self.scripts = list(scripts)
        self.connections = 0
        self.heads: list[bytes] = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while self.scripts:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                while self.scripts and self.read(connection):
                    if not self.scripts.pop(0)(connection):
                        break

    def read(self, connection: socket.socket) -> bool:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(65536)
            if not piece:
                return False
            head += piece
        self.heads.append(head)
        return True


def keep(connection: socket.socket) -> bool:
    connection.sendall(
        b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(YES), YES)
    )
    return True


def keep_and_close(connection: socket.socket) -> bool:
    keep(connection)
    return False


def reset(connection: socket.socket) -> bool:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    return False


@pytest.fixture
def client() -> Iterator[Client]:
    made = Client(Trust())
    yield made
    made.close()


def test_the_connection_is_kept(client: Client) -> None:
    server = Server(keep, keep, keep)
    for _ in range(3):
        assert client.deliver(server.url, b"{}").outcome == ACCEPTED
    assert server.connections == 1


def test_each_body_has_its_own_length(client: Client) -> None:
    server = Server(keep, keep)
    client.deliver(server.url, b'{"long": "body"}')
    client.deliver(server.url, b"{}")
    assert b"Content-Length: 16" in server.heads[0]
    assert b"Content-Length: 2\r" in server.heads[1]


def test_a_kept_connection_that_the_server_closed_costs_nothing(client: Client) -> None:
    server = Server(keep_and_close, keep)
    assert client.deliver(server.url, b"{}").outcome == ACCEPTED
    assert client.deliver(server.url, b"{}").outcome == ACCEPTED


def test_a_kept_connection_that_breaks_is_replaced_once(client: Client) -> None:
    server = Server(keep, reset, keep)
    client.deliver(server.url, b"{}")
    assert client.deliver(server.url, b"{}").outcome == ACCEPTED
    assert server.connections == 2


def test_a_new_connection_that_breaks_is_a_failure(client: Client) -> None:
    server = Server(reset, keep)
    assert client.deliver(server.url, b"{}").reason == "reset"


def test_only_a_connection_that_breaks_is_replaced(client: Client) -> None:
    def no_http(connection: socket.socket) -> bool:
        connection.sendall(b"nonsense\r\n\r\n")
        return False

    server = Server(keep, no_http, keep)
    client.deliver(server.url, b"{}")
    assert client.deliver(server.url, b"{}").reason == "bad_answer"
    assert len(server.heads) == 2


def test_after_a_failure_no_connection_counts_as_kept(client: Client) -> None:
    server = Server(keep, reset, reset, reset, keep)
    client.deliver(server.url, b"{}")
    assert client.deliver(server.url, b"{}").reason == "reset"
    assert client.deliver(server.url, b"{}").reason == "reset"
    assert len(server.heads) == 4


def test_a_connection_idle_for_long_is_not_used(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdagent.pagerduty.IDLE_SECONDS", 0.0)
    server = Server(keep, keep)
    client.deliver(server.url, b"{}")
    client.deliver(server.url, b"{}")
    assert server.connections == 2


def test_other_certificates_need_another_connection(
    certificates: Certificates, tmp_path: Path
) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(Path(certificates.ca_file).read_bytes())
    trust, server = Trust(str(path)), Server(keep, keep)
    client = Client(trust)
    client.deliver(server.url, b"{}")
    path.write_bytes(path.read_bytes() + b"\n")
    trust.refresh()
    client.deliver(server.url, b"{}")
    assert server.connections == 2


def test_the_source_address_is_used() -> None:
    server = Server(keep)
    addresses: list[tuple[str, int]] = []
    server.scripts = [lambda sock: addresses.append(sock.getpeername()) or keep(sock)]
    assert Client(Trust(), "127.0.0.77").deliver(server.url, b"{}").outcome == ACCEPTED
    assert addresses[0][0] == "127.0.0.77"
    assert addresses[0][1] > 1023  # the system chose the port


def test_an_answer_without_end_is_cut(client: Client) -> None:
    def endless(connection: socket.socket) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000)
        return False

    assert client.deliver(Server(endless).url, b"{}").reason == "bad_answer"


def test_an_answer_that_was_packed_unasked_is_read(client: Client) -> None:
    def pack(connection: socket.socket) -> bool:
        packed = gzip.compress(YES)
        connection.sendall(
            b"HTTP/1.1 202 Accepted\r\nContent-Encoding: gzip\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(packed), packed)
        )
        return True

    assert client.deliver(Server(pack).url, b"{}").outcome == ACCEPTED


def test_an_answer_that_drips_is_given_up() -> None:
    over = threading.Event()

    def drip(connection: socket.socket) -> bool:
        while not over.wait(0.05):
            connection.sendall(b"H")
        return False

    try:
        verdict = Client(Trust(), timeout=0.5).deliver(Server(drip).url, b"{}")
    finally:
        over.set()
    assert (verdict.reason, verdict.suspect) == ("timeout", True)


def test_a_server_that_takes_no_part_in_the_handshake_is_given_up() -> None:
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up_late() -> None:
            connection, _ = listener.accept()
            with connection:
                over.wait(10)

        threading.Thread(target=hang_up_late, daemon=True).start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/v2/enqueue"
        try:
            verdict = Client(Trust(), timeout=0.5).deliver(url, b"{}")
        finally:
            over.set()
    assert verdict.reason == "timeout"


# --- proxies


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY"])
def test_the_proxy_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "http://user:secret@proxy.local:8118")
    client = Client(Trust())
    assert client.proxy_for("https://events.pagerduty.com/v2/enqueue") == "proxy.local:8118"


@pytest.mark.parametrize(
    ("proxy", "shown"),
    [("proxy.local:8118", "proxy.local:8118"), ("http://p:x", "p:x"), ("http://p", "p:80")],
)
def test_a_proxy_without_scheme_or_port_is_named(
    monkeypatch: pytest.MonkeyPatch, proxy: str, shown: str
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    assert Client(Trust()).proxy_for("https://events.pagerduty.com/") == shown


def test_no_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.local:8118")
    monkeypatch.setenv("no_proxy", "pagerduty.com")
    assert Client(Trust()).proxy_for("https://events.pagerduty.com/") == ""


def test_the_proxys_password_is_in_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://user:secret@127.0.0.1:1")
    with pytest.raises(UnreachableError, match=r"the proxy 127\.0\.0\.1:1 does not") as caught:
        Client(Trust()).exchange("https://events.pagerduty.com/", b"{}")
    assert "secret" not in str(caught.value)
    assert str(caught.value) == caught.value.verdict.detail


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("http://:8118", "malformed"),
        ("http://joe:secret@proxy.local:eight", "the proxy proxy.local:eight is malformed"),
        ("http://joe:secret@[::1:8118", "the proxy [::1:8118 is malformed"),
        ("ftp://joe:secret@proxy.local:8118", "the proxy proxy.local:8118 cannot be used"),
    ],
)
def test_a_proxy_that_is_none_is_blamed_and_not_pagerduty(
    monkeypatch: pytest.MonkeyPatch, proxy: str, words: str
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    verdict = Client(Trust()).deliver("https://events.pagerduty.com/", b"{}")
    assert (verdict.reason, verdict.suspect) == ("proxy", False)
    assert words in verdict.detail
    assert "secret" not in verdict.detail


def test_a_proxy_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    over, dripped = threading.Event(), threading.Event()

    def drip(connection: socket.socket) -> bool:
        for _ in range(400):
            if over.wait(0.05):
                return False
            connection.sendall(b"H")
        dripped.set()
        return False

    monkeypatch.setenv("https_proxy", Server(drip).url)
    try:
        verdict = Client(Trust(), timeout=0.5).deliver("https://events.pagerduty.com/", b"{}")
    finally:
        over.set()
    assert verdict.outcome == NOT_NOW
    assert not dripped.is_set()


def test_a_proxy_that_speaks_tls_is_trusted_like_pagerduty(
    emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", emulator.url)
    verdict = Client(Trust(emulator.ca_file)).deliver("https://events.pagerduty.com/", b"{}")
    assert "Tunnel connection failed: 501" in verdict.detail  # which only a proxy within TLS says


def plain_proxy() -> tuple[str, list[bytes]]:
    """An ordinary proxy that refuses every tunnel; returns its port and what it was sent."""
    listener, heard = socket.create_server(("127.0.0.1", 0)), []

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                heard.append(connection.recv(4096))
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    return f"127.0.0.1:{listener.getsockname()[1]}", heard


def test_a_proxy_is_used_with_a_urllib3_that_speaks_no_tls_with_proxies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """1.25, as on Amazon Linux 2023: it takes unknown options for parts of a pool's key."""
    make = requests.adapters.proxy_from_url

    def make_as_1_25(url: str, **options: object) -> object:
        assert "proxy_ssl_context" not in options
        return make(url, **options)

    monkeypatch.setattr(requests.adapters, "proxy_from_url", make_as_1_25)
    monkeypatch.setattr(pagerduty, "_TLS_TO_PROXIES", False)
    address, heard = plain_proxy()
    monkeypatch.setenv("https_proxy", f"http://{address}")
    assert Client(Trust()).deliver("https://events.pagerduty.com/", b"{}").reason == "proxy"
    assert heard[-1].startswith(b"CONNECT events.pagerduty.com:443")


def test_https_in_the_url_of_an_ordinary_proxy_is_forgiven(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The guide writes https_proxy=https://proxy.local:8118, and 1.x spoke plainly there."""
    address, heard = plain_proxy()
    monkeypatch.setenv("https_proxy", f"https://user:secret@{address}")
    client = Client(Trust())
    assert client.deliver("https://events.pagerduty.com/v2/enqueue", b"{}").reason == "proxy"
    assert heard[-1].startswith(b"CONNECT events.pagerduty.com:443")
    assert f"The proxy {address} does not speak TLS: write http://" in caplog.text
    assert "secret" not in caplog.text
