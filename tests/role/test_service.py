"""How the service runs, who may submit to it, and what a run mends."""

from __future__ import annotations

import pytest

from tests.role.conftest import FLEET
from tests.role.playbook import ROOT

KEY = "0123456789abcdef0123456789abcdef"
DATA = "/srv/pdagent"
MOVED = {"pdagent_config": {"data_dir": DATA}}
QUEUE = "/var/lib/pdagent/outqueue"
SUBMIT = f"pd-send -k {KEY} -t trigger -d test"
ENABLED = """
if [ -d /run/systemd/system ]; then systemctl is-enabled pdagent
else ls /etc/rc2.d | grep -q '^S.*pdagent' && echo enabled || echo disabled
fi
"""


def submits(testbed, host, user):
    """Return the exit code of a user's pd-send."""
    return testbed.shell(host, f"su {user} -s /bin/sh -c '{SUBMIT}' >/dev/null 2>&1; echo $?")


@pytest.fixture(scope="module")
def unstarted(testbed):
    """Hosts as an image build leaves them: installed, not started, not enabled."""
    testbed.renew(*FLEET)
    off = {"pdagent_service_started": False, "pdagent_service_enabled": False}
    first = testbed.rollout(*FLEET, **off)
    assert first.code == 0, first.output
    return testbed.rollout(*FLEET, **off)


@pytest.mark.parametrize("host", FLEET)
def test_image_build_installs_without_starting(unstarted, testbed, host):
    assert testbed.shell(host, "pgrep -f bin/pdagentd") == ""
    assert testbed.shell(host, ENABLED).strip() == "disabled"
    assert unstarted.changed[host] == 0, unstarted.output


@pytest.fixture(scope="module")
def restricted(unstarted, testbed):
    """The same hosts, started, with a group of submitters and a CA bundle of their own."""
    for host in FLEET:
        testbed.shell(host, "groupadd pagers; useradd -G pagers pager; useradd other")
    for options in (("--check",), ()):
        run = testbed.rollout(
            *FLEET,
            options=options,
            pdagent_submit_group="pagers",
            pdagent_ca_bundle=str(ROOT / ".cache/testbed/pdagent-role/tls/client.pem"),
        )
        assert run.code == 0, run.output
    return run


@pytest.mark.parametrize("host", FLEET)
def test_members_of_the_group_may_submit_and_others_may_not(restricted, testbed, host):
    assert submits(testbed, host, "pager") == "0\n"
    assert submits(testbed, host, "other") == "1\n"


@pytest.mark.parametrize("host", FLEET)
def test_host_that_was_off_starts_at_boot_when_it_is_to(restricted, testbed, host):
    assert testbed.shell(host, ENABLED).strip() == "enabled"


@pytest.mark.parametrize("host", FLEET)
def test_daemon_trusts_the_bundle_it_was_given(restricted, testbed, host):
    assert "ca_file = /etc/pdagent.ca.pem" in testbed.shell(host, "cat /etc/pdagent.conf")
    doctor = "runuser -u pdagent -- pd-doctor --check net.tls >/dev/null; echo $?"
    assert testbed.shell(host, doctor) == "0\n"


@pytest.fixture(scope="module")
def mended(restricted, testbed):
    """The same hosts after somebody stopped, deleted and changed what the role wants."""
    for host in FLEET:
        testbed.shell(
            host,
            f"""
            service pdagent stop || systemctl stop pdagent
            rm -f /lib/systemd/system/pdagent.service /usr/lib/systemd/system/pdagent.service
            chmod 0777 {QUEUE}/pdq; chown root {QUEUE}/err
            echo 'send_interval_secs = 77' >> /etc/pdagent.conf
            """,
        )
    run = testbed.rollout(*FLEET)
    assert run.code == 0, run.output
    return run


@pytest.mark.parametrize(
    "files", ["/etc/pdagent.conf", "/etc/default/pdagent /etc/sysconfig/pdagent"]
)
def test_hosts_lost_before_their_restart_are_restarted_by_the_next_run(mended, testbed, files):
    """What the role wrote is there, and the daemon, which is older, has not read it."""
    for host in FLEET:
        testbed.shell(host, f"sleep 2; touch -c {files}")
    before = [testbed.shell(host, "pgrep -f bin/pdagentd") for host in FLEET]
    run = testbed.rollout(*FLEET)
    assert run.code == 0, run.output
    assert "has not read what is on the disk" in run.words
    after = [testbed.shell(host, "pgrep -f bin/pdagentd") for host in FLEET]
    assert all(old != new for old, new in zip(before, after, strict=True))
    assert testbed.rollout(*FLEET).changed == dict.fromkeys(FLEET, 0)


def test_host_that_failed_half_way_is_caught_up_with(mended, testbed):
    """The first run writes the unit's settings and fails after them; the second finds them."""
    host = FLEET[0]
    limited = {"pdagent_unit_overrides": {"Service": {"MemoryMax": "200M"}}}
    failed = testbed.rollout(host, **limited, pdagent_submit_group="nobodys")
    assert failed.code != 0
    assert "nobodys" in failed.words
    assert testbed.rollout(host, **limited).code == 0
    shown = testbed.shell(host, "systemctl show pdagent -p MemoryMax -p NeedDaemonReload")
    assert shown.split() == ["MemoryMax=209715200", "NeedDaemonReload=no"]


@pytest.mark.parametrize("host", FLEET)
def test_drift_is_mended(mended, testbed, host):
    assert testbed.shell(host, "pgrep -f bin/pdagentd") != ""
    assert testbed.shell(host, f"stat -c '%U %a' {QUEUE}/pdq {QUEUE}/err").split("\n")[:2] == [
        "pdagent 3733",
        "pdagent 2750",
    ]
    assert "77" not in testbed.shell(host, "cat /etc/pdagent.conf")
    assert submits(testbed, host, "other") == "0\n"


@pytest.fixture(scope="module")
def moved(mended, testbed):
    """The same hosts with the queue in another place, rolled out twice."""
    first = testbed.rollout(*FLEET, **MOVED)
    assert first.code == 0, first.output
    return testbed.rollout(*FLEET, **MOVED)


@pytest.mark.parametrize("host", FLEET)
def test_queue_is_served_where_it_was_moved_to(moved, testbed, host):
    assert moved.changed[host] == 0, moved.output
    sent = testbed.shell(host, f"su other -s /bin/sh -c '{SUBMIT} --wait' >/dev/null; echo $?")
    assert sent == "0\n"
    assert KEY in testbed.shell(host, f"ls {DATA}/outqueue/suc")


def test_purge_takes_nothing_of_others_from_a_place_that_was_chosen(moved, testbed):
    for host in FLEET:
        testbed.shell(host, f"touch {DATA}/somebodys")
    run = testbed.play("pdagent.agent.uninstall", pdagent_state="purged", **MOVED)
    assert run.code == 0, run.output
    assert [testbed.shell(host, f"ls {DATA}") for host in FLEET] == ["somebodys\n"] * len(FLEET)
