"""The proxy is the only way, and every event takes it."""

from __future__ import annotations

import subprocess
import time
from collections import Counter

import pytest

PROXY = "pdagent-proxy-proxy"
WITHOUT_PASSWORD = "pdagent-proxy-debian12-systemd"
RESTART = "service pdagent restart || systemctl restart pdagent"


def on_proxy(*command):
    return subprocess.check_output(["podman", "exec", PROXY, *command], text=True)


@pytest.fixture
def tunnels(host):
    """Which user had how many tunnels from this host to PagerDuty, as the proxy logged them."""
    address = host.check_output("hostname -I").strip()

    def tunnels():
        lines = [line.split() for line in on_proxy("cat", "/tmp/access.log").splitlines()]
        # time, duration, client, result, bytes, method, target, user, ...
        return Counter(
            words[7]
            for words in lines
            if words[2] == address and words[5:7] == ["CONNECT", "events.pagerduty.com:443"]
        )

    return tunnels


def test_pagerduty_is_out_of_reach_without_the_proxy(host):
    direct = host.run("curl --noproxy '*' --max-time 5 https://events.pagerduty.com/")
    assert direct.rc != 0
    assert "default" not in host.check_output("ip route")


def test_event_reaches_pagerduty_from_the_proxy(send, arrived, emulator, key):
    send("disk full")
    arrived(1)
    (request,) = (r for r in emulator.requests() if (r["body"] or {}).get("service_key") == key)
    assert request["client"] in on_proxy("hostname", "-I").split()


def test_proxy_let_this_host_through_as_its_user(host, send, arrived, tunnels):
    user = "-" if host.backend.name == WITHOUT_PASSWORD else "agent"
    before = tunnels()[user]
    send("disk full")
    arrived(1)
    host.check_output(RESTART)  # squid logs a tunnel when it ends
    deadline = time.monotonic() + 30
    while tunnels()[user] == before:
        assert time.monotonic() < deadline, "the proxy logged no tunnel"
        time.sleep(0.1)


def test_password_is_in_no_file_that_others_can_read(host):
    search = "grep -rlsE '[w]/rd|[w]%2[Ff]rd' /etc /run /var/lib/pdagent /proc/*/cmdline"
    folder = "/etc/sysconfig" if host.exists("dnf") else "/etc/default"
    holders = set() if host.backend.name == WITHOUT_PASSWORD else {f"{folder}/pdagent"}
    assert set(host.run(search).stdout.split()) == holders
    assert host.run(f"runuser -u nobody -- {search}").stdout == ""


def test_proxy_survives_a_reinstall_of_the_package(host, send, arrived):
    if host.exists("dnf"):
        host.check_output("dnf -q -y reinstall pdagent")
    else:
        host.check_output(
            "DEBIAN_FRONTEND=noninteractive apt-get -q -y install --reinstall pdagent"
        )
    host.check_output(RESTART)
    send("after the reinstall")
    arrived(1)
