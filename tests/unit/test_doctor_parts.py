"""The parts of checks: proxies, name servers, certificates, service files, advice: promise 11."""

import os
import shlex
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import trustme

from pdagent.doctor import (
    bundle,
    certificate,
    dnsquery,
    isolate,
    network,
    outqueue,
    proxy,
    tls,
    units,
)
from pdagent.doctor.basic import keys, misshapen, tail
from pdagent.doctor.check import Result, ok
from pdagent.doctor.destinations import destination, parse_proxy
from pdagent.doctor.host import Context
from pdagent.doctor.redact import Redactor
from pdagent.doctor.service import epoch, span
from pdagent.outqueue import layout

HOST = "events.pagerduty.com"
URL = f"https://{HOST}/v2/enqueue"


@pytest.fixture
def no_proxy_set(monkeypatch):
    for name in ("https_proxy", "http_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def test_without_a_proxy_the_peer_is_the_host_itself(no_proxy_set):
    assert destination("events", URL).peer == ("events.pagerduty.com", 443)


def test_with_a_proxy_the_peer_is_the_proxy(no_proxy_set):
    no_proxy_set.setenv("HTTPS_PROXY", "http://proxy.local:8118")
    assert destination("events", URL).peer == ("proxy.local", 8118)


@pytest.mark.parametrize("exempt", ["localhost,events.pagerduty.com", ".pagerduty.com", "*"])
def test_no_proxy_exempts_a_host(no_proxy_set, exempt):
    no_proxy_set.setenv("https_proxy", "http://proxy.local:8118")
    no_proxy_set.setenv("no_proxy", exempt)
    assert destination("events", URL).proxy is None


@pytest.mark.parametrize(
    ("named", "shown", "problem"),
    [
        ("http://proxy.local:8118", "http://proxy.local:8118", ""),
        ("proxy.local:8118", "http://proxy.local:8118", ""),
        ("http://joe:pa55@proxy.local", "http://proxy.local:80", ""),
        ("http://[fd77::1]:3128", "http://[fd77::1]:3128", ""),
        ("http://proxy.local:eight", "http://proxy.local:0", "the port is not a number"),
        ("http://joe:pa55@[::1:3128", "http://:0", "its brackets hold no IPv6 address"),
        ("socks5://proxy.local:1080", "socks5://proxy.local:1080", 'the scheme is "socks5"'),
        ("http://", "http://:80", "there is no host name"),
    ],
)
def test_a_proxy_variable_is_read_as_requests_reads_it(named, shown, problem):
    proxy = parse_proxy(named)
    assert (str(proxy), proxy.problem) == (shown, problem)


def around():
    """What a check knows of a daemon with this process's environment."""
    here = SimpleNamespace(
        environment=(dict(os.environ), "process 1"), service_command="{} pdagent".format
    )
    return Context(here, (destination("events", URL),))


@pytest.mark.parametrize("name", ["https_proxy", "all_proxy"])
def test_the_variable_that_is_to_be_corrected_is_the_one_that_is_set(no_proxy_set, name):
    no_proxy_set.setenv(name.upper(), "ftp://proxy.local:8118")
    found = proxy.config(around(), {})
    assert found.fix.startswith(f"correct {name} where")
    assert f"({name})=" in found.command


@pytest.mark.parametrize(
    ("variables", "status", "words"),
    [
        ({}, "ok", "no proxy is set for the daemon"),
        ({"http_proxy": "http://p:1"}, "warn", "http_proxy is set and https_proxy is not"),
        ({"HTTPS_PROXY": "p:1", "NO_PROXY": "pagerduty.com"}, "ok", f"no_proxy exempts {HOST}"),
        ({"all_proxy": "p:1", "no_proxy": "*"}, "ok", f"no_proxy exempts {HOST}"),
    ],
)
def test_why_no_proxy_is_used_is_said(no_proxy_set, variables, status, words):
    for name, value in variables.items():
        no_proxy_set.setenv(name, value)
    found = proxy.config(around(), {})
    assert (found.status, found.summary[: len(words)]) == (status, words)


@pytest.mark.parametrize(
    ("percent", "words"), [("0", "in 1.5 ms"), ("33.3333", "33.3333 % of the packets are lost")]
)
def test_packets_that_are_lost_are_told(monkeypatch, percent, words):
    monkeypatch.setattr(network.shutil, "which", lambda _: "/bin/ping")
    said = f"3 packets transmitted, {percent}% packet loss, time 402ms\nrtt = 1.1/1.5/1.9/0.3 ms\n"
    monkeypatch.setattr(network.host, "call", lambda _: (0, said))
    names = {"net.dns": ok("", hosts={HOST: {"addresses": ["192.0.2.1"]}})}
    assert network.ping(around(), names).summary.endswith(words)


class NameServer:
    """A name server on loopback that answers every question with one code, or not at all."""

    def __init__(self, rcode):
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self._rcode = rcode
        self.port = self._udp.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        question, sender = self._udp.recvfrom(512)
        noise = b"\0\0" + question[2:]
        for ident_and_flags in (noise[:2], question[:2]):
            flags = bytes([0x81, 0x80 | self._rcode])
            self._udp.sendto(ident_and_flags + flags + question[4:], sender)


@pytest.mark.parametrize(
    ("rcode", "word"), [(0, "NOERROR"), (2, "SERVFAIL"), (3, "NXDOMAIN"), (5, "REFUSED")]
)
def test_each_answer_of_a_name_server_has_its_word(monkeypatch, rcode, word):
    server = NameServer(rcode)
    monkeypatch.setattr(dnsquery, "PORT", server.port)
    assert dnsquery.ask("127.0.0.1", "events.pagerduty.com") == word


def test_a_closed_port_is_not_a_silent_server(monkeypatch):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(dnsquery, "PORT", port)
    assert dnsquery.ask("127.0.0.1", "events.pagerduty.com") == dnsquery.CLOSED


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("nameserver 10.0.0.2\nsearch x\nnameserver fd77::1\n", ["10.0.0.2", "fd77::1"]),
        ("# nameserver 10.0.0.2\n", ["127.0.0.1"]),
        ("".join(f"nameserver 10.0.0.{n}\n" for n in range(5)), [f"10.0.0.{n}" for n in range(3)]),
    ],
)
def test_resolv_conf_is_read_as_the_system_reads_it(tmp_path, text, servers):
    path = tmp_path / "resolv.conf"
    path.write_text(text)
    assert dnsquery.nameservers(str(path)) == servers


def decoded():
    issued = trustme.CA(organization_name="Corp").issue_cert("events.pagerduty.com")
    return certificate.decode(ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode()))


@pytest.mark.parametrize(
    ("dates", "words"),
    [
        ({"not_before": 4e9, "not_after": 5e9}, "is not valid before 2096-10-02"),
        ({"not_before": 1e9, "not_after": 1.1e9}, "expired on 2004-11-09"),
    ],
)
def test_a_certificate_that_is_early_is_not_called_expired(dates, words):
    assert tls._out_of_date(replace(decoded(), **dates)) == words


def test_a_certificate_is_decoded_without_a_library_and_without_a_disk(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/proc")
    found = decoded()
    assert found.names == ("events.pagerduty.com",)
    assert found.issuer.startswith("O=Corp")
    assert found.not_before < time.time() < found.not_after
    assert len(found.fingerprint) == 64


@pytest.mark.parametrize(
    ("line", "environ"),
    [
        ("https_proxy=http://p:1", {"https_proxy": "http://p:1"}),
        ('https_proxy="http://p:1"', {"https_proxy": "http://p:1"}),
        ("export https_proxy='http://p:1'", {"https_proxy": "http://p:1"}),
        ("#https_proxy=http://p:1", {}),
        ("no assignment", {}),
    ],
)
def test_an_environment_file_is_read_as_both_init_systems_read_it(line, environ):
    assert units.assignments([line]) == environ


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("0123456789abcdef0123456789abcdef", ""),
        ("0123456789abcdef", "has 16 characters"),
        ("0123456789abcdef0123456789abcde ", "holds other characters than letters and digits"),
    ],
)
def test_the_form_of_a_key(key, wrong):
    assert misshapen(key) == wrong


def test_what_is_searched_for_in_the_advice_is_quoted():
    command = keys(SimpleNamespace(key="x" * 28 + "$(a)"), {}).command
    assert shlex.split(command)[:4] == ["grep", "-rnI", "--", "$(a)"]
    assert "'$(a)'" in command


@pytest.mark.parametrize(
    "name",
    [
        "1795414578537129_a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6.txt",
        "1795414578537129_x;sh .txt",
        "1795414578537129_x';id.txt",
        "a\x1b[31mred\nline\x9b",
        "b' $(id)",
        "-rf",
    ],
)
def test_the_advice_removes_just_the_strange_entry_whatever_a_neighbour_called_it(tmp_path, name):
    layout.ensure(str(tmp_path))
    queue = tmp_path / "outqueue"
    os.mkfifo(queue / "pdq" / name)
    event = queue / "pdq" / layout.name(1, "f" * 28 + "c5d6")
    event.touch()
    context = SimpleNamespace(settings=SimpleNamespace(outqueue_dir=str(queue)))
    result = Result("queue.strange", "queue", outqueue.strange(context, {}), 0.0)
    shown = Redactor([]).result(result).finding
    assert (shown.summary + shown.command).isprintable()
    subprocess.run(["sh", "-c", shown.command.replace("sudo ", "", 1)], check=True)
    assert os.listdir(queue / "pdq") == [event.name]


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "5 s"), (119, "119 s"), (7200, "2 h"), (864000, "10 d")]
)
def test_a_duration_is_shown_in_its_largest_sensible_unit(seconds, text):
    assert span(seconds) == text


def test_a_time_that_is_none_is_the_epoch():
    assert epoch(None) == epoch("soon") == 0.0
    assert epoch("1970-01-01T00:01:00Z") == 60.0


def test_the_tail_of_a_long_file_starts_with_a_whole_line(tmp_path):
    path = tmp_path / "log"
    path.write_text("".join(f"line {n}\n" for n in range(1000)))
    lines = tail(str(path), 100)
    assert lines[-1] == "line 999"
    assert lines[0].startswith("line ")


def test_a_file_from_the_end_of_time_breaks_no_listing():
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        os.utime(directory, (2**62, 2**62))
        assert any(" ? " in line for line in bundle._listing(directory))


def test_the_checks_run_for_an_owner_who_is_no_user_any_more():
    assert isolate.as_daemon(lambda: 7, {}, uid=4_000_000) == 7
