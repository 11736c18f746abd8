"""pd-doctor on a host with the package: what it shows, for whom, and what it mends."""

from __future__ import annotations

import io
import json
import tarfile
import time

import jsonschema
import pytest

from tests.integration.doctor.lab import DROP_INS, KEY, ROOT

# The first test also builds the package and boots a host.
pytestmark = pytest.mark.timeout(600)

SCHEMA = json.loads((ROOT / "docs" / "doctor-schema.json").read_text(encoding="utf-8"))
BUILD = ROOT / "build"
PROXY = "http://proxy.example:3128"
HEALTHY_SECONDS, WORST_SECONDS = 10.0, 20.0


def statuses(report, status):
    return {one["id"]: one["summary"] for one in report["checks"] if one["status"] == status}


def seen(report, id_, status):
    """What a check saw; its status must be the given one."""
    record = next(one for one in report["checks"] if one["id"] == id_)
    assert record["status"] == status, record
    return record["summary"]


def note(name, text):
    BUILD.mkdir(exist_ok=True)
    (BUILD / name).write_text(text, encoding="utf-8")


def test_a_healthy_host_fails_and_warns_of_nothing(systemd_host):
    report = systemd_host.doctor()
    assert statuses(report, "fail") == statuses(report, "warn") == {}
    assert report["exit"] == 0
    assert report["environment"].startswith("process ")
    jsonschema.validate({k: v for k, v in report.items() if k != "exit"}, SCHEMA)


def test_a_healthy_page_is_plain_narrow_and_quick(systemd_host):
    started = time.monotonic()
    shown = systemd_host.run("pd-doctor")
    seconds = time.monotonic() - started
    note("doctor-healthy.txt", f"{shown}\n(the whole command took {seconds:.1f} s)\n")
    assert "\033" not in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "root trustme" in shown
    assert "0 pending events" in shown
    assert seconds < HEALTHY_SECONDS


def test_a_black_hole_is_named_within_twenty_seconds(lab, systemd_host):
    lab.filter("udp dport 53 drop")
    lab.filter("tcp dport { 53, 443 } drop")
    started = time.monotonic()
    report = systemd_host.doctor()
    seconds = time.monotonic() - started
    note("doctor-black-hole.txt", f"{list(statuses(report, 'fail'))} after {seconds:.1f} s\n")
    assert list(statuses(report, "fail")) == ["net.dns"]
    assert report["exit"] == 1
    assert seconds < WORST_SECONDS


def test_a_pagerduty_that_does_not_answer_is_one_failure_in_time(lab, systemd_host):
    lab.control("POST", "/faults", {"times": None, "fault": {"kind": "slow", "delay": 30}})
    started = time.monotonic()
    report = systemd_host.doctor()
    assert time.monotonic() - started < WORST_SECONDS
    assert list(statuses(report, "fail")) == ["api.events"]


def test_the_agents_own_user_sees_all_that_root_sees(systemd_host):
    report = systemd_host.doctor(user="pdagent")
    assert statuses(report, "fail") == {}
    assert [one for one in statuses(report, "skip").values() if "sudo" in one] == []
    assert report["environment"].startswith("process ")


def test_any_other_user_is_told_what_needs_sudo(systemd_host):
    report = systemd_host.doctor(user="nobody")
    hidden = [id_ for id_, seen in statuses(report, "skip").items() if "run with sudo" in seen]
    assert {"service.env", "queue.pending", "log.errors"} <= set(hidden)
    assert statuses(report, "fail") == {}


def proxied(lab, host, **more):
    lab.serve_proxies()
    host.run(f"mkdir -p {DROP_INS}")
    lines = "".join(f'Environment="{name}={value}"\n' for name, value in more.items())
    host.write(f"{DROP_INS}/proxy.conf", f'[Service]\nEnvironment="https_proxy={PROXY}"\n{lines}')
    host.run("systemctl daemon-reload && systemctl restart pdagent")


def test_it_uses_the_daemons_proxy_and_not_the_shells(lab, systemd_host):
    proxied(lab, systemd_host)
    report = systemd_host.doctor(https_proxy="http://nowhere.example:1")
    assert statuses(report, "fail") == {}
    found = statuses(report, "ok")
    assert "events.pagerduty.com via http://proxy.example:3128" in found["proxy.config"]
    assert "CONNECT to events.pagerduty.com:443" in found["proxy.connect"]


def test_no_proxy_is_evaluated_for_each_host(lab, systemd_host):
    proxied(lab, systemd_host, no_proxy="api.pagerduty.com")
    report = systemd_host.doctor()
    text = seen(report, "proxy.config", "ok")
    assert "events.pagerduty.com via http://proxy.example:3128" in text
    assert "api.pagerduty.com via direct" in text
    assert statuses(report, "fail") == {}


def test_a_proxy_of_the_shell_that_the_daemon_lacks_is_a_warning(systemd_host):
    report = systemd_host.doctor(https_proxy=PROXY)
    assert list(statuses(report, "warn")) == ["service.env"]
    assert "your shell has https_proxy" in seen(report, "service.env", "warn")


def test_a_changed_unit_that_systemd_has_not_read_is_a_warning(systemd_host):
    systemd_host.run(f"mkdir -p {DROP_INS}; printf '[Unit]\\n' > {DROP_INS}/x.conf")
    assert "systemd has not read it" in seen(systemd_host.doctor(), "service.unit", "warn")


def test_a_configuration_newer_than_the_daemon_is_a_warning(systemd_host):
    systemd_host.run("sleep 2; echo 'workers = 9' >> /etc/pdagent.conf")
    warned = statuses(systemd_host.doctor(), "warn")
    assert "after pdagentd last read it" in warned["config.parse"]


def test_a_heartbeat_that_fails_is_a_warning_because_events_get_through(lab, systemd_host):
    lab.serve_names("--address=/events.pagerduty.com/10.78.0.2")
    report = systemd_host.doctor()
    assert statuses(report, "fail") == {}
    assert "api.pagerduty.com" in seen(report, "net.dns", "warn")


def test_ipv6_alone_is_enough(lab, systemd_host):
    lab.serve_names(
        "--address=/events.pagerduty.com/fd78::2", "--address=/api.pagerduty.com/10.78.0.3"
    )
    report = systemd_host.doctor()
    assert statuses(report, "fail") == {}
    assert "1 IPv6" in seen(report, "net.dns", "ok")


def test_what_does_not_belong_into_the_queue_is_named(systemd_host):
    queue = "/var/lib/pdagent/outqueue/tmp"
    systemd_host.run(f"mkfifo {queue}/0_x.txt; ln -s /dev/zero {queue}/1_x.txt")
    try:
        report = systemd_host.doctor()
    finally:
        systemd_host.run(f"rm -f {queue}/*")
    assert "strange entries" in seen(report, "queue.strange", "warn")


def test_a_send_test_is_awaited_to_pagerdutys_answer(lab, systemd_host):
    lab.control("POST", "/reset")
    report = systemd_host.doctor("--send-test", "-k", KEY)
    text = seen(report, "event.test", "ok")
    for action in ("trigger", "acknowledge", "resolve"):
        assert f"{action} in " in text
    sent = [one["body"] for one in lab.control("GET", "/events")["events"]]
    assert [one["event_action"] for one in sent] == ["trigger", "acknowledge", "resolve"]
    assert len({one["dedup_key"] for one in sent}) == 1


def test_a_send_test_with_a_refused_key_says_what_pagerduty_said(lab, systemd_host):
    report = systemd_host.doctor("--send-test", "-k", "R" + "0" * 20)
    assert "refused the test event's trigger for ...0000" in seen(report, "event.test", "fail")


def test_a_key_file_keeps_the_key_out_of_the_process_list(systemd_host):
    systemd_host.write("/root/key", f"{KEY}\n")
    report = systemd_host.doctor("--send-test", "--key-file", "/root/key")
    assert "accepted trigger" in seen(report, "event.test", "ok")


def test_fix_mends_several_things_and_says_each_before(systemd_host):
    systemd_host.run("systemctl mask --now pdagent; chmod 0700 /var/lib/pdagent/outqueue/err")
    done = systemd_host.call("pd-doctor --fix --json")
    assert statuses(json.loads(done.stdout), "fail") == {}
    assert "service.unit: run  sudo systemctl unmask pdagent" in done.stderr
    assert "queue.dirs: run  sudo /usr/share/pdagent/state-dirs" in done.stderr


def test_fix_asks_on_a_terminal_and_takes_no_for_an_answer(systemd_host):
    systemd_host.run("systemctl stop pdagent")
    answer_no = (
        "import os, pty, sys; pid, fd = pty.fork()\n"
        "pid or os.execlp('pd-doctor', 'pd-doctor', '--fix', '--check', 'service.running')\n"
        "os.write(fd, b'n\\n')\n"
        "try:\n"
        "    while True: sys.stdout.write(os.read(fd, 1024).decode())\n"
        "except OSError: pass\n"
    )
    systemd_host.write("/tmp/answer_no.py", answer_no)
    shown = systemd_host.run("python3 /tmp/answer_no.py")
    assert "sudo systemctl start pdagent? [y/N]" in shown
    assert "left as it is" in shown
    assert "✗ FAIL" in shown
    assert systemd_host.call("systemctl is-active pdagent").stdout.strip() == "inactive"
    systemd_host.run("systemctl start pdagent")


def test_a_checkout_with_its_own_directories_needs_no_service(systemd_host):
    systemd_host.write(
        "/tmp/own.conf",
        "[Main]\ndata_dir = /tmp/own\nrun_dir = /tmp/own\nlog_file =\nheartbeat_enabled = no\n",
    )
    systemd_host.run("mkdir -p /tmp/own")
    skipped = statuses(systemd_host.doctor("--config", "/tmp/own.conf"), "skip")
    assert "data_dir is not the system's" in skipped["service.unit"]
    assert "data_dir is not the system's" in skipped["service.user"]


SECRETS = {
    "the key of an event": "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6",
    "the key of a test": "ffeeddccbbaa99887766554433221100",
    "a password in a drop-in": "s3same-open",
    "a password in the environment file": "p@ss/word",
    "a password in the log": "log-gol-pass",
    "what an event says": "the vault is open",
}


def test_the_bundle_holds_no_secret(lab, systemd_host):
    event_key, test_key, drop_in, env_file, logged, details = SECRETS.values()
    lab.serve_proxies()
    systemd_host.run(f"mkdir -p {DROP_INS}")
    systemd_host.write(
        f"{DROP_INS}/proxy.conf",
        f'[Service]\nEnvironment="https_proxy=http://agent:{drop_in}@proxy.example:3128"\n',
    )
    systemd_host.write(
        "/etc/default/pdagent",
        f"http_proxy=http://agent:{env_file}@proxy.example:3128\nall_proxy=agent:{env_file}@h:1\n",
    )
    systemd_host.run("systemctl daemon-reload && systemctl restart pdagent")
    log = "/var/log/pdagent/pdagentd.log"
    systemd_host.run(
        f"echo '2026-11-23 05:00:00,000 ERROR   main                 x  via"
        f" http://u:{logged}@proxy:1 Proxy-Authorization: Basic {logged}' >> {log};"
        f'echo \'routing_key": "{event_key}" in clear {event_key}\' >> {log}'
    )
    systemd_host.run("pd-queue hold")
    systemd_host.run(f"pd-send -k {event_key} -t trigger -d '{details}' -i incident-1")
    systemd_host.run("touch /tmp/bundle.tar.gz && chmod 644 /tmp/bundle.tar.gz")
    done = systemd_host.call(f"pd-doctor --report /tmp/bundle.tar.gz -k {test_key}")
    assert "/tmp/bundle.tar.gz" in done.stderr
    assert systemd_host.run("stat -c %a /tmp/bundle.tar.gz").strip() == "600"
    raw = systemd_host.bytes("/tmp/bundle.tar.gz")
    systemd_host.run("pd-queue purge --all-keys --yes; pd-queue release")
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        texts = {one.name: archive.extractfile(one).read().decode() for one in archive}
    for what, secret in SECRETS.items():
        assert [name for name, text in texts.items() if secret in text] == [], what
        assert secret not in done.stdout, what
    for name in (
        "pd-doctor/results.json",
        "pd-doctor/files/etc/pdagent.conf",
        f"pd-doctor/files{DROP_INS}/proxy.conf",
        "pd-doctor/log/pdagentd.log",
        "pd-doctor/queue/listing.txt",
        "pd-doctor/versions/agent.txt",
        "pd-doctor/service/status.txt",
    ):
        assert name in texts
    assert event_key[-4:] in texts["pd-doctor/queue/listing.txt"]
