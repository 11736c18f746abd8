"""The proxy and mirror of the download, and the daemon's proxy: two ways that never meet."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.role.conftest import FLEET, NEXT_VERSION
from tests.role.playbook import Run
from tests.role.testbed import Testbed

PASSWORD = "pl4nted-fetch"
KEY = "0123456789abcdef0123456789abcdef"
VARIABLES = {
    "pdagent_apt_repository_url": "http://mirror.pdagent.test/apt",
    "pdagent_yum_repository_url": "http://mirror.pdagent.test/yum",
    "pdagent_download_proxy": f"http://fetcher:{PASSWORD}@download-proxy.pdagent.test:3128",
    "pdagent_proxy": {"https_proxy": "http://agent-proxy.pdagent.test:3128"},
    "pdagent_test_event": True,
    "pdagent_integration_key": KEY,
}


@dataclass(frozen=True)
class Traffic:
    """A rollout and the addresses from which its traffic came."""

    refused: Run
    run: Run
    downloads_from: set[str]
    events_from: set[str]


@pytest.fixture(scope="module")
def traffic(testbed: Testbed) -> Traffic:
    testbed.renew(*FLEET)
    wrong = VARIABLES["pdagent_download_proxy"].replace(PASSWORD, "pl4nted-wrong")
    refused = testbed.rollout(
        *FLEET, options=("-vvv", "--diff"), **{**VARIABLES, "pdagent_download_proxy": wrong}
    )
    testbed.emulator.reset()
    before = len(testbed.downloads())
    run = testbed.rollout(*FLEET, options=("-vvv", "--diff"), **VARIABLES)
    events = {request["client"] for request in testbed.emulator.requests()}
    return Traffic(refused, run, set(testbed.downloads()[before:]), events)


def test_package_comes_through_the_download_proxy_alone(traffic, testbed):
    assert traffic.run.code == 0, traffic.run.output
    assert {host: testbed.version(host) for host in FLEET} == dict.fromkeys(FLEET, NEXT_VERSION)
    assert traffic.downloads_from == {testbed.address("download-proxy")}


def test_events_go_through_the_agents_proxy_alone(traffic, testbed):
    assert len(testbed.emulator.events(key=KEY)) >= 2 * len(FLEET)
    assert traffic.events_from == {testbed.address("agent-proxy")}


def test_download_that_the_proxy_refuses_fails_every_host(traffic):
    assert traffic.refused.code != 0
    assert "407" in traffic.refused.words


def test_password_of_the_download_proxy_is_in_no_output(traffic):
    for run in (traffic.refused, traffic.run):
        assert "pl4nted" not in run.output


@pytest.mark.parametrize("host", FLEET)
def test_password_of_the_download_proxy_is_for_root_alone(traffic, testbed, host):
    files = testbed.shell(host, f"grep -rl {PASSWORD} /etc /var/log /var/lib /var/cache /run")
    assert files in ("/etc/apt/apt.conf.d/80pdagent-proxy\n", "/etc/yum.repos.d/pdagent.repo\n")
    assert testbed.shell(host, f"stat -c '%U %a' {files}") == "root 600\n"


def test_download_proxy_that_is_no_longer_wanted_goes(traffic, testbed):
    wanted = {"pdagent_proxy": VARIABLES["pdagent_proxy"]}
    run = testbed.rollout(*FLEET, options=("--diff",), **wanted)
    assert run.code == 0, run.output
    assert "pl4nted" not in run.output
    configured = "grep -rl download-proxy /etc/apt /etc/yum.repos.d 2>/dev/null"
    assert [testbed.shell(host, configured) for host in FLEET] == [""] * len(FLEET)
    again = testbed.rollout(*FLEET, **wanted)
    assert again.changed == dict.fromkeys(FLEET, 0), again.output


def test_download_proxy_without_a_password_is_no_secret(traffic, testbed):
    """An unreadable file makes apt complain to every ordinary user who asks it anything."""
    proxy = "http://download-proxy.pdagent.test:3129"
    run = testbed.rollout(*FLEET, **{**VARIABLES, "pdagent_download_proxy": proxy})
    assert run.code == 0, run.output
    files = "/etc/apt/apt.conf.d/80pdagent-proxy /etc/yum.repos.d/pdagent.repo"
    for host in FLEET:
        assert testbed.shell(host, f"stat -c %a {files} 2>/dev/null") == "644\n"
