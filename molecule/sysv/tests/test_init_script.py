"""The init script answers as the Linux Standard Base wants it."""

from __future__ import annotations

import pytest

RUNNING, DEAD_WITH_PID_FILE, STOPPED = 0, 1, 3


@pytest.fixture
def pdagent(host):
    """Call the init script; return its exit code. The service runs again afterwards."""

    def pdagent(action):
        return host.run("service pdagent %s", action).rc

    yield pdagent
    host.run_expect([0], "service pdagent start")


def test_status_tells_a_running_service(pdagent):
    assert pdagent("status") == RUNNING


def test_status_tells_a_stopped_service(pdagent):
    assert pdagent("stop") == 0
    assert pdagent("status") == STOPPED


def test_stopped_service_leaves_nothing_in_run(host, pdagent):
    assert pdagent("stop") == 0
    assert host.check_output("find /run/pdagent -type f") == ""


def test_status_tells_a_daemon_that_died(host, pdagent):
    host.check_output("while pkill -KILL -u pdagent -f pdagentd; do sleep 0.1; done")
    assert pdagent("status") == DEAD_WITH_PID_FILE


def test_second_start_leaves_the_running_daemon_alone(host, pdagent):
    before = host.check_output("cat /run/pdagent/pdagentd.pid")
    assert pdagent("start") == 0
    assert host.check_output("cat /run/pdagent/pdagentd.pid") == before
