"""The emulator as a client meets it: over TLS, on loopback."""

import http.client
import json
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.emulator.client import EmulatorError

ROOT = Path(__file__).resolve().parents[2]
KEY = "0123456789abcdef0123456789abcdef"
OTHER_KEY = "f" * 32
V1_PATH = "/generic/2010-04-15/create_event.json"


def v1(action="trigger", key=KEY, **fields):
    return {"service_key": key, "event_type": action, "description": "disk full", **fields}


def v2(action="trigger", key=KEY, **fields):
    payload = {"summary": "disk full", "source": "db7", "severity": "error"}
    return {"routing_key": key, "event_action": action, "payload": payload, **fields}


@pytest.fixture
def post(emulator):
    """Post a body (bytes, or anything as JSON) to a path; one kept-alive session."""
    with requests.Session() as session:
        session.trust_env = False
        session.verify = emulator.ca_file

        def send(path, body, **options):
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            options = {"timeout": 30, "allow_redirects": False, **options}
            return session.post(emulator.url + path, data=data, **options)

        yield send


def test_v1_event_is_answered_200_with_its_incident_key(post):
    answer = post(V1_PATH, v1(incident_key="disk/db7"))
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "success", "message": "Event processed", "incident_key": "disk/db7"},
    )


def test_v2_event_is_answered_202_with_a_generated_dedup_key(post, emulator):
    answer = post("/v2/enqueue", v2())
    assert answer.status_code == 202
    assert answer.json()["dedup_key"] in emulator.alerts()[KEY]


def test_change_event_is_answered_202_and_opens_no_alert(post, emulator):
    answer = post("/v2/change/enqueue", {"routing_key": KEY, "payload": {"summary": "deployed"}})
    assert (answer.status_code, answer.json()) == (
        202,
        {"status": "success", "message": "Event processed"},
    )
    assert emulator.alerts() == {}
    assert [one["kind"] for one in emulator.events()] == ["change"]


@pytest.mark.parametrize("path", [V1_PATH, "/v2/enqueue", "/v2/change/enqueue"])
def test_invalid_event_is_answered_400_with_errors_and_not_taken(post, emulator, path):
    answer = post(path, {})
    assert answer.status_code == 400
    assert answer.json()["status"] == "invalid event"
    assert answer.json()["message"] == "Event object is invalid"
    assert answer.json()["errors"]
    assert emulator.events() == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100000])
def test_body_that_is_no_json_object_is_answered_400_as_documented(post, body):
    answer = post(V1_PATH, body)
    assert (answer.status_code, answer.json()) == (
        400,
        {
            "status": "unrecognized object",
            "message": "Event object format is unrecognized",
            "errors": ["JSON parse error"],
        },
    )


def test_body_over_512_kb_is_answered_413(post, emulator):
    fits = v1(details={"a": ""})
    fits["details"]["a"] = "x" * (512 * 1024 - len(json.dumps(fits)))
    assert post(V1_PATH, fits).status_code == 200
    fits["details"]["a"] += "x"
    assert post(V1_PATH, fits).status_code == 413
    assert len(emulator.events()) == 1


@pytest.mark.parametrize(
    ("path", "body", "status"), [(V1_PATH, v1(), 403), ("/v2/enqueue", v2(), 429)]
)
def test_key_over_its_rate_limit_is_refused_and_others_are_not(post, emulator, path, body, status):
    emulator.throttle(2, announce=True)
    assert [post(path, body).ok for _ in range(3)] == [True, True, False]
    answer = post(path, body)
    assert answer.status_code == status
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    field = "service_key" if path == V1_PATH else "routing_key"
    assert post(path, {**body, field: OTHER_KEY}).ok
    emulator.throttle(None)
    assert post(path, body).ok


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_heartbeat_is_answered_with_the_interval(emulator, method):
    emulator.heartbeat_interval(1800)
    answer = requests.request(
        method, emulator.heartbeat_url, json={"agent_id": "a"}, verify=emulator.ca_file, timeout=30
    )
    assert (answer.status_code, answer.json()) == (200, {"heartbeat_interval_secs": 1800})


def test_unknown_path_is_404_and_wrong_method_405(emulator):
    get = {"verify": emulator.ca_file, "timeout": 30}
    assert requests.get(emulator.url + "/nowhere", **get).status_code == 404
    answer = requests.get(emulator.url + "/v2/enqueue", **get)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_every_request_is_recorded_with_time_connection_and_headers(post, emulator):
    before = time.time_ns()
    post("/v2/enqueue?a=b", v2(), headers={"X-Test": "1"})
    post("/v2/enqueue", b"{")
    first, second = emulator.requests()
    assert before <= first["at_ns"] <= second["at_ns"] <= time.time_ns()
    assert first["headers"]["X-Test"] == "1"
    assert (first["n"], first["path"], first["status"]) == (1, "/v2/enqueue?a=b", 202)
    assert first["body"]["routing_key"] == KEY
    assert (second["body"], second["raw_size"], second["status"]) == (None, 1, 400)
    assert first["connection"] == second["connection"]
    assert emulator.requests(since=1) == [second]


def test_waiting_returns_when_the_event_has_come_and_fails_when_it_has_not(post, emulator):
    post("/v2/enqueue", v2(dedup_key="a"))
    assert [one["dedup_key"] for one in emulator.wait_for(1)] == ["a"]
    with pytest.raises(TimeoutError, match=r"1 events of 2 after 0\.01 s"):
        emulator.wait_for(2, timeout=0.01)


@pytest.mark.parametrize("status", [100, 199, 204, 302, 304, 403, 407, 429, 503, 599])
def test_any_status_can_be_ordered(post, emulator, status):
    emulator.fault("status", status=status, headers={"Retry-After": "7"})
    if status == 100:  # only ever interim: the client goes on waiting and meets the end
        with pytest.raises(requests.ConnectionError):
            post("/v2/enqueue", v2())
    else:
        answer = post("/v2/enqueue", v2())
        assert (answer.status_code, answer.headers["Retry-After"]) == (status, "7")
    assert emulator.events() == []
    assert post("/v2/enqueue", v2()).status_code == 202


def test_html_redirect_and_broken_json_can_be_ordered(post, emulator):
    for kind in ("html", "redirect", "bad_json"):
        emulator.fault(kind)
    html, redirect, broken = (post("/v2/enqueue", v2()) for _ in range(3))
    assert (html.status_code, html.headers["Content-Type"]) == (200, "text/html")
    assert "log in to the proxy" in html.text
    assert (redirect.status_code, redirect.headers["Location"]) == (302, "/elsewhere")
    assert broken.status_code == 202
    with pytest.raises(ValueError, match="Unterminated"):
        broken.json()


@pytest.mark.parametrize("kind", ["reset", "close"])
@pytest.mark.parametrize("stage", ["accept", "handshake", "request", "answer", "body"])
def test_connection_can_end_at_each_stage(post, emulator, kind, stage):
    emulator.fault(kind, stage=stage)
    with pytest.raises(requests.exceptions.RequestException):
        post("/v2/enqueue", v2())
    assert post("/v2/enqueue", v2()).status_code == 202
    assert len(emulator.events()) == 1


@pytest.mark.parametrize("kind", ["reset", "close"])
def test_answer_that_ends_in_its_headers_promises_success_and_has_no_body(post, emulator, kind):
    emulator.fault(kind, stage="headers")
    answer = post("/v2/enqueue", v2())  # Python's HTTP client takes the end for the headers' end
    assert (answer.status_code, answer.content) == (202, b"")
    assert post("/v2/enqueue", v2()).status_code == 202
    assert len(emulator.events()) == 1


def test_event_can_be_taken_although_its_answer_is_lost(post, emulator):
    emulator.fault("reset", processed=True)
    with pytest.raises(requests.exceptions.ConnectionError):
        post("/v2/enqueue", v2(dedup_key="a"))
    assert [one["dedup_key"] for one in emulator.events()] == ["a"]


@pytest.mark.parametrize("stage", ["accept", "handshake", "request", "answer", "headers", "body"])
def test_slow_stage_delays_the_proper_answer(post, emulator, stage):
    emulator.fault("slow", stage=stage, delay=0.3)
    started = time.monotonic()
    assert post("/v2/enqueue", v2()).status_code == 202
    assert time.monotonic() - started >= 0.3


def test_dripping_body_arrives_byte_by_byte(post, emulator):
    emulator.fault("drip", delay=0.01)
    assert post("/v2/enqueue", v2()).status_code == 202


@pytest.mark.parametrize("stage", ["headers", "body"])
def test_endless_answer_goes_on_until_the_client_gives_up(emulator, stage):
    emulator.fault("endless", stage=stage)
    where = urlsplit(emulator.url)
    context = ssl.create_default_context(cafile=emulator.ca_file)
    plain = socket.create_connection((where.hostname, where.port))
    with context.wrap_socket(plain, server_hostname=where.hostname) as connection:
        connection.sendall(b"POST /v2/enqueue HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
        received = 0
        while received < 5_000_000:
            received += len(connection.recv(65536))


def test_truncated_answer_announces_more_than_it_sends(post, emulator):
    emulator.fault("truncate")
    with pytest.raises(requests.exceptions.RequestException):
        post("/v2/enqueue", v2())
    assert emulator.events() != []


def test_fault_strikes_only_the_key_it_is_meant_for(post, emulator):
    emulator.fault("status", status=500, times=None, match={"key": KEY})
    assert post("/v2/enqueue", v2()).status_code == 500
    assert post("/v2/enqueue", v2(key=OTHER_KEY)).status_code == 202
    emulator.clear_faults()
    assert post("/v2/enqueue", v2()).status_code == 202


def test_impossible_order_is_refused_with_the_reason(emulator, tmp_path):
    with pytest.raises(EmulatorError, match="unknown kind 'explode'"):
        emulator.fault("explode")
    with pytest.raises(EmulatorError, match="No such file"):
        emulator.certificate(str(tmp_path / "missing"), str(tmp_path / "missing"))


def meet(emulator, **options):
    """The TLS version of a fresh connection, or the handshake's error."""
    where = urlsplit(emulator.url)
    context = ssl.create_default_context(cafile=emulator.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # Debian's Python leaves it to OpenSSL
    for name, value in options.items():
        setattr(context, name, value)
    with socket.create_connection((where.hostname, where.port)) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=where.hostname) as connection:
                return connection.version()
        except ssl.SSLError as error:
            return getattr(error, "verify_message", "") or error.reason


@pytest.mark.parametrize(
    ("issue", "complaint"),
    [
        (lambda ca: ca.issue("127.0.0.1", expired=True), "certificate has expired"),
        (lambda ca: ca.issue("events.example.com"), "IP address mismatch"),
        (lambda ca: ca.issue_untrusted("127.0.0.1"), "unable to get local issuer"),
    ],
)
def test_bad_certificate_can_be_shown_and_taken_back(emulator, certificates, issue, complaint):
    emulator.certificate(*issue(certificates))
    assert complaint in meet(emulator)
    assert emulator.health()["handshakes"] == 0
    emulator.restore_certificate()
    assert meet(emulator).startswith("TLS")


def test_server_can_be_bound_to_tls_1_1(emulator, certificates):
    emulator.certificate(*certificates.issue("localhost"), only_version="1.1")
    assert "ALERT" in meet(emulator) or "PROTOCOL" in meet(emulator)


def test_both_address_families_are_answered(emulator, certificates):
    context = ssl.create_default_context(cafile=certificates.ca_file)
    assert {host for host, _ in emulator.ports["listen"]} == {"127.0.0.1", "::1"}
    for host, port in emulator.ports["listen"]:
        connection = http.client.HTTPSConnection(host, port, context=context, timeout=30)
        connection.request("GET", "/agent/2014-03-14/heartbeat")
        assert connection.getresponse().status == 200
        connection.close()


def test_reset_forgets_everything(post, emulator):
    emulator.fault("status", times=None)
    emulator.throttle(1)
    post("/v2/enqueue", v2())
    emulator.reset()
    assert emulator.requests() == []
    assert [post("/v2/enqueue", v2()).status_code for _ in range(2)] == [202, 202]


def run(*options):
    return subprocess.run(
        [sys.executable, "-m", "tests.emulator", *options],
        cwd=ROOT, capture_output=True, text=True, timeout=30,
    )  # fmt: skip


def test_port_in_use_is_one_clear_sentence(emulator):
    host, port = emulator.ports["listen"][0]
    ended = run("--listen", f"{host}:{port}", "--control", "127.0.0.1:0")
    assert ended.returncode == 1
    assert ended.stderr == (
        f"emulator: cannot listen on {host}:{port}: Address already in use; "
        "choose another address, or port 0 for any free one\n"
    )


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (("--tls-cert", "/proc/missing"), 1, "cannot use the certificate /proc/missing"),
        (("--listen", "8443"), 2, "'8443' is not ADDR:PORT, such as 127.0.0.1:8443"),
    ],
)  # fmt: skip
def test_bad_option_is_refused_without_a_traceback(options, status, message):
    ended = run(*options)
    assert ended.returncode == status
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_help_fits_eighty_columns():
    assert max(map(len, run("--help").stdout.splitlines())) <= 80
