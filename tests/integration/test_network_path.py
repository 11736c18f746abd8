"""What lies between host and PagerDuty, down to proxies: promises 8, 13 and 14."""

import shutil
import socket
import subprocess
import textwrap
import threading

import pytest

from pdagent.event import Event

KEY = "0123456789abcdef0123456789abcdef"


def trigger():
    return Event.v1(KEY, "trigger", description="disk full", incident_key="disk")


def free_port():
    """A port on 127.0.0.1 that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def last_reason(host):
    """The reason of the last failure the daemon has published."""
    error = host.state().get("last_error")
    return error and error["reason"]


def assert_kept_for_reason(host, reason):
    host.until(lambda: last_reason(host) == reason)
    assert len(host.events("pdq")) == 1
    assert host.events("err") == []


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(lambda ca: ca.issue("127.0.0.1", expired=True), id="expired"),
        pytest.param(lambda ca: ca.issue("events.example.com"), id="wrong host"),
        pytest.param(lambda ca: ca.issue_untrusted("127.0.0.1"), id="unknown CA"),
    ],
)
def test_untrusted_certificate_gets_no_event_and_costs_none(host, emulator, certificates, bad):
    emulator.certificate(*bad(certificates))
    host.put(trigger())
    host.start()
    assert_kept_for_reason(host, "tls_verify")
    assert emulator.health()["requests"] == 0
    emulator.restore_certificate()
    assert len(emulator.wait_for(1)) == 1


def test_server_that_speaks_only_tls_1_1_gets_no_event(host, emulator, certificates):
    emulator.certificate(*certificates.issue("127.0.0.1"), only_version="1.1")
    host.put(trigger())
    host.start()
    assert_kept_for_reason(host, "tls")
    emulator.restore_certificate()
    assert len(emulator.wait_for(1)) == 1


def test_ca_file_that_changes_is_trusted_without_a_restart(host, emulator, certificates, tmp_path):
    trusted = tmp_path / "bundle.pem"
    other = certificates.issue_untrusted("127.0.0.1")
    shutil.copy(other.cert, trusted)
    host.configure(ca_file=trusted)
    host.put(trigger())
    host.start()
    assert_kept_for_reason(host, "tls_verify")
    shutil.copy(emulator.ca_file, trusted)
    assert len(emulator.wait_for(1)) == 1


@pytest.mark.parametrize(
    "content", [pytest.param(None, id="missing"), pytest.param("", id="empty")]
)
def test_ca_file_without_certificates_is_a_clear_start_up_error(host, tmp_path, content):
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content, encoding="utf-8")
    host.configure(ca_file=bundle)
    host.start(wait=False)
    assert host.daemon.wait(timeout=60) == 1
    assert str(bundle) in host.log()
    assert "Traceback" not in host.log()


def test_ipv6_only_pagerduty_is_reached_with_the_default_source_address(make_host, start_emulator):
    emulator = start_emulator(listen=("[::1]:0",))
    host = make_host(events_api_url=emulator.url, ca_file=emulator.ca_file)
    host.put(trigger())
    host.start()
    assert emulator.wait_for(1)[0]["key"] == KEY
    assert emulator.requests()[0]["client"] == "::1"


def test_name_that_does_not_resolve_keeps_the_event(host):
    host.configure(events_api_url="https://events.pagerduty.invalid")
    host.put(trigger())
    host.start()
    assert_kept_for_reason(host, "dns")
    assert "events.pagerduty.invalid" in host.state()["last_error"]["detail"]


def test_name_server_that_never_answers_keeps_the_event_and_lets_the_daemon_stop(
    host, emulator, tmp_path
):
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.66.6.6", 53))
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver 127.66.6.6\noptions timeout:1 attempts:1\n", encoding="utf-8")
    host.wrapper = ["unshare", "--mount", "sh", "-c"]
    host.wrapper.append(f'mount --bind "{resolv}" /etc/resolv.conf && exec "$@"')
    host.wrapper.append("sh")
    host.configure(events_api_url="https://events.pagerduty.com")
    host.put(trigger())
    host.start()
    assert_kept_for_reason(host, "dns")
    assert host.stop() == 0
    silent.close()


def test_refused_connection_keeps_the_event(host):
    port = free_port()
    host.configure(events_api_url=f"https://127.0.0.1:{port}")
    host.put(trigger())
    host.start()
    assert_kept_for_reason(host, "refused")


def test_host_without_a_network_keeps_the_event(host):
    host.wrapper = ["unshare", "--net"]
    host.configure(events_api_url="https://192.0.2.1")
    host.put(trigger())
    host.start()
    assert_kept_for_reason(host, "route")


def test_dead_network_is_probed_by_one_request_not_by_one_for_each_key(host):
    hang_ups = []

    def hang_up(listener):
        while True:
            try:
                hang_ups.append(listener.accept()[0].close())
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as dead:
        threading.Thread(target=hang_up, args=(dead,), daemon=True).start()
        port = dead.getsockname()[1]
        host.configure(events_api_url=f"https://127.0.0.1:{port}", backoff_interval_secs=60)
        for number in range(50):
            host.put(Event.v1(f"{number:032d}", "trigger", description="disk full"))
        host.start()
        host.until(lambda: host.state()["network"]["up"] is False)
        host.stop()
        dead.shutdown(socket.SHUT_RDWR)
    assert 1 <= len(hang_ups) <= 15
    assert len(host.events("pdq")) == 50


@pytest.fixture
def proxy(tmp_path):
    """A tinyproxy that wants a user and password; returns its port."""
    port = free_port()
    config = tmp_path / "tinyproxy.conf"
    config.write_text(
        textwrap.dedent(f"""\
            Port {port}
            Listen 127.0.0.1
            Timeout 60
            Allow 127.0.0.1
            BasicAuth agent s3cr3t-word
            """),
        encoding="utf-8",
    )
    process = subprocess.Popen(
        ["tinyproxy", "-d", "-c", str(config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield port
    process.terminate()
    process.wait(timeout=10)


def test_proxy_that_wants_a_password_is_named_and_the_event_kept(host, emulator, proxy):
    host.put(trigger())
    host.start(env={"https_proxy": f"http://127.0.0.1:{proxy}"})
    assert_kept_for_reason(host, "proxy_auth")
    assert f"127.0.0.1:{proxy}" in host.state()["last_error"]["detail"]
    assert emulator.health()["requests"] == 0


def test_proxy_with_the_right_password_carries_the_event_and_the_log_does_not_name_it(
    host, emulator, proxy
):
    host.put(trigger())
    host.start(env={"https_proxy": f"http://agent:s3cr3t-word@127.0.0.1:{proxy}"})
    assert len(emulator.wait_for(1)) == 1
    host.stop()
    assert "s3cr3t-word" not in host.log() + str(host.state())


def test_proxy_password_stays_secret_when_the_proxy_fails(host):
    port = free_port()
    host.put(trigger())
    host.start(env={"https_proxy": f"http://agent:s3cr3t-word@127.0.0.1:{port}"})
    assert_kept_for_reason(host, "proxy")
    assert "s3cr3t-word" not in host.log() + str(host.state())


def test_proxy_that_accepts_and_hangs_keeps_the_event_and_lets_the_daemon_stop(host):
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        port = hanging.getsockname()[1]
        host.put(trigger())
        host.start(env={"https_proxy": f"http://127.0.0.1:{port}"})
        assert_kept_for_reason(host, "timeout")
        assert host.stop() == 0


def test_no_proxy_goes_around_a_dead_proxy(host, emulator):
    host.put(trigger())
    host.start(env={"https_proxy": "http://127.0.0.1:1", "no_proxy": "127.0.0.1"})
    assert len(emulator.wait_for(1)) == 1
