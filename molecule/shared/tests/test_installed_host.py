"""What every host is like after the rollout: each test reads as the sentence it proves."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DIRECTORIES = [
    line.split()[1:5]
    for line in (ROOT / "packaging/common/pdagent.tmpfiles").read_text().splitlines()
    if line.startswith("d ")
]


def runs_systemd(host):
    return host.file("/run/systemd/system").is_directory


def test_package_is_installed(host):
    assert host.package("pdagent").is_installed


def test_what_starts_the_daemon_is_a_file_of_the_package(host):
    wanted = "/systemd/system/pdagent.service" if runs_systemd(host) else "/init.d/pdagent"
    listing = "rpm -ql pdagent pdagent-sysvinit" if host.exists("dnf") else "dpkg -L pdagent"
    (path,) = (path for path in host.run(listing).stdout.split() if path.endswith(wanted))
    assert host.file(path).is_file


def test_service_runs_and_starts_at_boot(host):
    service = host.service("pdagent")
    assert service.is_running
    assert service.is_enabled


def test_daemon_runs_as_its_own_user(host):
    (daemon,) = host.process.filter(user="pdagent", comm="pdagentd")
    assert daemon.ppid == 1


def test_daemon_runs_with_the_settings_of_the_inventory(host):
    # None of them names this one, and drift sets it to an hour.
    assert "send_interval_secs" not in host.file("/etc/pdagent.conf").content_string
    state = json.loads(host.file("/run/pdagent/state.json").content_string)
    assert state["send_interval_secs"] == 10


def test_directories_are_as_the_package_made_them(host):
    paths = " ".join(path for path, *_ in DIRECTORIES)
    found = host.check_output(f"stat -c '%n %a %U %G' {paths}").splitlines()
    assert found == [
        f"{path} {mode.lstrip('0')} {owner} {group}" for path, mode, owner, group in DIRECTORIES
    ]


def test_ordinary_user_cannot_list_events(host):
    directories = [f"/var/lib/pdagent/outqueue/{name}" for name in ("tmp", "pdq", "suc", "err")]
    listing = host.run("runuser -u nobody -- ls %s %s %s %s", *directories)
    assert listing.stdout == ""
    assert listing.stderr.count("Permission denied") == len(directories)


def test_environment_file_is_for_root_alone(host):
    folder = "/etc/sysconfig" if host.exists("dnf") else "/etc/default"
    environment = host.file(f"{folder}/pdagent")
    assert (environment.user, environment.mode) == ("root", 0o600)


def test_event_of_an_ordinary_user_arrives(send, arrived):
    send("disk full")
    (event,) = arrived(1)
    assert event["body"]["description"] == "sent by a test"


def test_resolve_follows_its_trigger(send, arrived, emulator, key):
    send("disk full")
    send("disk full", action="resolve")
    assert [event["action"] for event in arrived(2)] == ["trigger", "resolve"]
    assert emulator.alerts()[key]["disk full"]["state"] == "resolved"


def test_doctor_finds_the_host_well(host):
    report = json.loads(host.check_output("runuser -u pdagent -- pd-doctor --json"))
    found = {check["id"]: check["status"] for check in report["checks"]}
    assert [id_ for id_, status in found.items() if status == "fail"] == []
    assert {found[id_] for id_ in ("service.running", "queue.dirs", "api.events")} == {"ok"}


def test_agent_comes_up_by_itself_after_a_reboot(host, reboot, send, arrived):
    reboot()
    assert host.service("pdagent").is_running
    send("after the reboot")
    arrived(1)
