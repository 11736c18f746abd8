"""A fleet of each init system and package family, from clean hosts to the second run."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.role.conftest import FLEET
from tests.role.playbook import Run
from tests.role.testbed import Testbed

MODULE_CALLS = 15
PASSWORD = "pl4nted/pa%ss"
KEY = "pl4ntedintegrationkey".ljust(32, "0")
SECRETS = ("pl4nted",)
VARIABLES = {
    "pdagent_config": {"send_interval_secs": 5, "log_level": "debug"},
    "pdagent_proxy": {
        "https_proxy": "http://proxy.example.net:3128",
        "no_proxy": ".pagerduty.com",
        "user": "agent user",
        "password": PASSWORD,
    },
    "pdagent_environment": {"EXTRA": "50% of it"},
    "pdagent_unit_overrides": {"Service": {"MemoryMax": "300M"}},
    "pdagent_test_event": True,
    "pdagent_integration_key": KEY,
}


@dataclass(frozen=True)
class Story:
    """The runs, in their order."""

    dry: Run
    left_by_dry: dict[str, str]
    first: Run
    events: list[str]
    starts: dict[str, int]
    second: Run


@pytest.fixture(scope="module")
def story(testbed: Testbed) -> Story:
    testbed.renew(*FLEET)
    testbed.emulator.reset()
    for host in FLEET:
        testbed.shell(host, "touch /before")
    dry = testbed.rollout(*FLEET, options=("--check", "--diff"), **VARIABLES)
    find = "find /etc /usr /var/lib /var/cache -newer /before -type f"
    left = {host: testbed.shell(host, find) for host in FLEET}
    first = testbed.rollout(*FLEET, options=("-vvv", "--diff"), **VARIABLES)
    events = [event["action"] for event in testbed.emulator.events()]
    starts = {host: testbed.starts(host) for host in FLEET}
    return Story(dry, left, first, events, starts, testbed.rollout(*FLEET, **VARIABLES))


def test_dry_run_on_clean_hosts_passes_and_leaves_nothing(story):
    assert story.dry.code == 0, story.dry.output
    assert all(count > 0 for count in story.dry.changed.values())
    assert story.left_by_dry == dict.fromkeys(FLEET, "")


def test_first_run_installs_and_verifies_every_host(story, testbed):
    assert story.first.code == 0, story.first.output
    for host in FLEET:
        assert f"{host} well" in story.first.words
        assert testbed.shell(host, "runuser -u pdagent -- pd-doctor >/dev/null; echo $?") == "0\n"


def test_test_event_of_every_host_reached_pagerduty(story):
    assert story.events.count("trigger") == story.events.count("resolve") == len(FLEET)


def test_daemon_is_started_exactly_once(story):
    assert story.starts == dict.fromkeys(FLEET, 1)


def test_second_run_changes_nothing_and_restarts_nothing(story, testbed):
    assert story.second.changed == dict.fromkeys(FLEET, 0), story.second.output
    assert {host: testbed.starts(host) for host in FLEET} == story.starts


def test_second_run_costs_at_most_fifteen_module_calls_a_host(story):
    """Modules are counted as they are sent to a host, by tests/role/callback/module_calls.py:
    a template or a copy is two or three of them, every item of a loop is one.
    """
    assert max(story.second.calls.values()) <= MODULE_CALLS, story.second.calls


@pytest.mark.parametrize("secret", SECRETS)
def test_no_output_holds_a_planted_secret(story, secret):
    for run in (story.dry, story.first, story.second):
        assert secret not in run.output


@pytest.mark.parametrize("host", FLEET)
def test_password_is_in_one_file_that_root_alone_reads(story, testbed, host):
    files = testbed.shell(host, "grep -rl pl4nted%2F /etc /var/lib /var/log /run /usr/share")
    assert files in ("/etc/default/pdagent\n", "/etc/sysconfig/pdagent\n")
    assert testbed.shell(host, f"stat -c '%U %a' {files}") == "root 600\n"


@pytest.mark.parametrize("host", ["debian12-systemd", "rpm-systemd"])
def test_systemctl_shows_the_environment_without_the_password(story, testbed, host):
    shown = testbed.shell(host, "systemctl show pdagent -p Environment -p MemoryMax")
    assert '"EXTRA=50% of it" no_proxy=.pagerduty.com' in shown
    assert "MemoryMax=314572800" in shown


@pytest.mark.parametrize("host", FLEET)
def test_daemon_runs_with_the_whole_environment(story, testbed, host):
    environment = testbed.shell(
        host, "runuser -u pdagent -- cat /proc/$(pgrep -of bin/pdagentd)/environ"
    ).split("\0")
    assert "https_proxy=http://agent%20user:pl4nted%2Fpa%25ss@proxy.example.net:3128" in environment
    assert {"EXTRA=50% of it", "no_proxy=.pagerduty.com"} <= set(environment)


def test_changed_proxy_restarts_the_daemon_once_more(story, testbed):
    proxy = {"https_proxy": "http://other.example.net:3128", "no_proxy": ".pagerduty.com"}
    run = testbed.rollout(*FLEET, **{**VARIABLES, "pdagent_proxy": proxy})
    assert run.code == 0, run.output
    assert {host: testbed.starts(host) for host in FLEET} == dict.fromkeys(FLEET, 2)
    for host in FLEET:
        assert testbed.shell(host, "grep -r pl4nted /etc") == ""
