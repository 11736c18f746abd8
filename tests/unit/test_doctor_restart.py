"""A daemon that runs with something older than what is on the disk is told, with the restart."""

import os
import time
from types import SimpleNamespace

import pytest

from pdagent import __version__
from pdagent.doctor import basic, environment, host, service, units
from pdagent.doctor.host import SYSTEMD

STARTED = time.time() - 3600
RESTART = "sudo systemctl restart pdagent"


@pytest.fixture
def file(tmp_path, monkeypatch):
    """The configuration and environment file, written before the daemon started."""
    path = tmp_path / "pdagent"
    path.write_text("")
    written(path, STARTED - 60)
    monkeypatch.setattr(units, "ENVIRONMENT_FILES", (str(tmp_path / "absent"), str(path)))
    return path


def written(path, moment):
    os.utime(path, (moment, moment))


def judge(check, file, **state):
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    then = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(STARTED))
    state = {"pid": 7, "version": __version__, "written_at": now, "config_loaded_at": then, **state}
    here = SimpleNamespace(
        process=SimpleNamespace(pid=7, started_at=STARTED, environ={}),
        service_command=lambda verb: f"sudo systemctl {verb} pdagent",
        config_path=str(file), config_error="", environment=({}, "process 7"),
        private=False, configured=None, init=SYSTEMD, state=state,
    )  # fmt: skip
    settings = SimpleNamespace(send_interval_secs=10, ca_file="", origin={}, warnings=[])
    return check(SimpleNamespace(host=here, settings=settings), {})


@pytest.mark.parametrize("check", [basic.config, environment.environment, service.running])
def test_a_daemon_that_runs_with_what_is_on_the_disk_is_well(file, check):
    assert judge(check, file).status == "ok"


def test_a_daemon_of_another_version_than_the_package_is_to_be_restarted(file):
    found = judge(service.running, file, version="1.9.9")
    assert (found.status, found.command) == ("warn", RESTART)
    assert found.summary == f"pdagentd 1.9.9 runs, pdagent {__version__} is installed"


def test_the_version_in_a_state_file_of_another_daemon_does_not_count(file):
    assert judge(service.running, file, version="1.9.9", pid=6).status == "ok"


def test_an_environment_file_that_only_root_may_read_is_judged_by_its_age(file):
    written(file, STARTED + 60)
    found = judge(environment.environment, file)
    assert found.status == "warn"
    assert found.summary == f"pdagentd was started before {file} changed"
    assert found.command == RESTART


def test_a_configuration_newer_than_the_daemon_is_to_be_restarted_for(file):
    written(file, STARTED + 60)
    found = judge(basic.config, file)
    assert (found.status, found.command) == ("warn", RESTART)


@pytest.mark.parametrize("check", [basic.config, environment.environment])
def test_a_file_dated_in_the_future_asks_for_no_restart_again_and_again(file, check):
    written(file, time.time() + 3600)
    assert judge(check, file).status == "ok"


def test_a_file_that_is_not_there_never_changed(tmp_path):
    assert not host.changed_since(str(tmp_path / "absent"), 0.0)
