"""The proxy is the only way, and every event takes it."""

from __future__ import annotations

import subprocess

import pytest


@pytest.fixture
def access_log():
    """What the proxy logged: client, then method and target, of each request."""

    def access_log():
        command = ["podman", "exec", "pdagent-proxy-proxy", "cat", "/tmp/access.log"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    return access_log


def address_of(host):
    return host.check_output("ip -4 -o address show eth0 | awk '{split($4, a, \"/\"); print a[1]}'")


def test_pagerduty_is_out_of_reach_without_the_proxy(host):
    direct = host.run("curl --noproxy '*' --max-time 5 https://events.pagerduty.com/")
    assert direct.rc != 0
    assert "default" not in host.check_output("ip route")


def test_event_reaches_pagerduty_from_the_proxy(send, arrived, emulator, key):
    send("disk full")
    arrived(1)
    (request,) = (r for r in emulator.requests() if (r["body"] or {}).get("service_key") == key)
    proxy = ["podman", "exec", "pdagent-proxy-proxy", "hostname", "-I"]
    assert request["client"] in subprocess.check_output(proxy, text=True).split()


def test_proxy_saw_this_host_connect(host, send, arrived, access_log):
    send("disk full")
    arrived(1)
    own = [line for line in access_log().splitlines() if address_of(host) in line.split()]
    assert any("CONNECT events.pagerduty.com:443" in line for line in own)


def test_password_is_in_no_file_that_others_can_read(host):
    places = "/etc /run /var/lib/pdagent /proc/*/cmdline"
    readable = host.run(f"runuser -u nobody -- grep -rlsE '[w]/rd|[w]%2[Ff]rd' {places}")
    assert readable.stdout == ""


def test_proxy_survives_a_reinstall_of_the_package(host, send, arrived):
    if host.exists("dnf"):
        host.check_output("dnf -q -y reinstall pdagent")
    else:
        host.check_output(
            "DEBIAN_FRONTEND=noninteractive apt-get -q -y install --reinstall pdagent"
        )
    host.check_output("service pdagent restart || systemctl restart pdagent")
    send("after the reinstall")
    arrived(1)
