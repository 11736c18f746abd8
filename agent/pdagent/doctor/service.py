"""The guide's chapters "Basic Troubleshooting" and "Installation Error": the service."""

from __future__ import annotations

import calendar
import glob
import os
import pwd
import shutil
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pdagent import __version__
from pdagent.doctor import host, units
from pdagent.doctor.check import FAIL, WARN, Check, Finding, Results, ok, outdated, skip
from pdagent.doctor.host import SYSTEMD, SYSV, Context
from pdagent.doctor.units import INIT_SCRIPT, UNIT

UNIT_COPY = "/usr/share/pdagent/service/pdagent.service"
STATE_DIRS = "/usr/share/pdagent/state-dirs"
SCRIPT_COPY = "/usr/share/pdagent/service/pdagent.init"
_PRIVATE = "data_dir is not the system's, so no service serves it"
_GRACE_SECONDS = 5


def unit(context: Context, _results: Results) -> Finding:
    """Find the unit or the init script, and whether it starts at boot."""
    if context.host.private:
        return skip(_PRIVATE)
    if context.host.init == SYSTEMD:
        return _systemd_unit(context)
    if context.host.init == SYSV:
        return _init_script(context)
    return skip("this host has no init system")


def _systemd_unit(context: Context) -> Finding:
    facts = context.host.unit
    paths = units.unit_paths()
    masked = facts.get("LoadState") == "masked" or any(map(_is_mask, paths))
    if masked:
        start = "sudo systemctl enable --now pdagent"
        unmask = "sudo systemctl unmask pdagent"
        return _unit_failure("is masked", "unmask it and start it", f"{unmask} && {start}")
    if not [path for path in paths if not _is_mask(path)]:
        return _lost("unit", UNIT_COPY, _restore_unit_command())
    if facts and not _is_read(facts, paths):
        start = "sudo systemctl enable --now pdagent"
        return _unit_failure(
            "is on disk, but systemd has not read it",
            "have systemd read its units again, and start the agent",
            f"sudo systemctl daemon-reload && {start}",
        )
    enabled = _is_enabled(facts.get("UnitFileState", ""))
    running = facts.get("ActiveState") in ("active", "activating", "reloading")
    if not enabled:
        return _not_enabled(running=running, command="sudo systemctl enable --now pdagent")
    if facts.get("NeedDaemonReload") == "yes" or _has_unread_drop_ins(facts):
        return Finding(
            WARN,
            "the unit or a drop-in changed on disk, and systemd has not read it",
            expected="systemd knows the files as they are",
            fix="have systemd read them, and restart the agent",
            command="sudo systemctl daemon-reload && sudo systemctl restart pdagent",
            detail={"path": facts.get("FragmentPath", paths[0])},
        )
    return ok("pdagent.service is installed and starts at boot", path=paths[0])


def _is_read(facts: Mapping[str, str], paths: Sequence[str]) -> bool:
    """Tell whether systemd knows the unit from disk, not one that it made of the init script."""
    known = os.path.realpath(facts.get("FragmentPath", ""))
    return facts.get("LoadState") == "loaded" and known in map(os.path.realpath, paths)


def _has_unread_drop_ins(facts: Mapping[str, str]) -> bool:
    """Compare for ourselves: systemd overlooks a drop-in directory that is new."""
    if not facts:
        return False
    known = [path for path in facts.get("DropInPaths", "").split() if f"/{UNIT}.d/" in path]
    return sorted(known) != sorted(units.drop_ins())


def _is_mask(path: str) -> bool:
    return os.path.realpath(path) == "/dev/null"


def _is_enabled(state: str) -> bool:
    if state:
        return state in ("enabled", "enabled-runtime", "static", "alias", "linked")
    return bool(glob.glob(f"/etc/systemd/system/*.wants/{UNIT}"))


def _unit_failure(seen: str, fix: str, command: str) -> Finding:
    return Finding(
        FAIL,
        f"{UNIT} {seen}",
        expected="the unit is installed, loaded and starts at boot",
        fix=fix,
        command=command,
        guide="installation-error",
    )


def package_manager() -> str:
    """Return apt-get or dnf or yum, whichever looks after this host's packages."""
    managers = ("apt-get", "dnf", "yum", "zypper")
    return next((one for one in managers if shutil.which(one)), "apt-get")


def _package_installed() -> bool:
    status = host.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", "pdagent"])
    return status == "installed" or bool(host.run(["rpm", "-q", "pdagent"]))


def _lost(what: str, copy: str, restore: str) -> Finding:
    if os.path.exists(copy):
        return _unit_failure(
            f"is lost: the {what} is gone, its copy is there", "put it back", restore
        )
    manager = package_manager()
    if not _package_installed():
        return _unit_failure(
            "is missing: the package pdagent is not installed",
            "install the package",
            f"sudo {manager} install pdagent",
        )
    again = "install --reinstall" if manager == "apt-get" else "reinstall"
    return _unit_failure(
        f"is lost: the package is there, its {what} is not",
        "install the package again",
        f"sudo {manager} {again} pdagent",
    )


def _restore_unit_command() -> str:
    folder = units.package_folder()
    return (
        f"sudo install -m 644 {UNIT_COPY} {folder}/ && sudo systemctl daemon-reload"
        " && sudo systemctl enable --now pdagent"
    )


def _not_enabled(*, running: bool, command: str) -> Finding:
    return Finding(
        WARN if running else FAIL,
        "the service is not started at boot" + ("" if running else ", and it is not running"),
        expected="the service is enabled",
        fix="enable it",
        command=command,
    )


def _init_script(context: Context) -> Finding:
    if not os.path.exists(INIT_SCRIPT):
        restore = f"sudo install -m 755 {SCRIPT_COPY} {INIT_SCRIPT} && {_enable_script_command()}"
        return _lost("init script", SCRIPT_COPY, restore)
    if not os.access(INIT_SCRIPT, os.X_OK):
        return _unit_failure(
            "has an init script that is not executable",
            "make it executable",
            f"sudo chmod 755 {INIT_SCRIPT}",
        )
    if not glob.glob("/etc/rc[2345].d/S[0-9][0-9]pdagent"):
        running = context.host.process is not None
        return _not_enabled(running=running, command=_enable_script_command())
    return ok(f"{INIT_SCRIPT} is installed and starts at boot", path=INIT_SCRIPT)


def _enable_script_command() -> str:
    # What was disabled has links that stop it everywhere, and the defaults leave those alone.
    disabled = glob.glob("/etc/rc[2345].d/K[0-9][0-9]pdagent")
    if shutil.which("update-rc.d"):
        enable = "update-rc.d pdagent enable" if disabled else "update-rc.d pdagent defaults"
    else:
        enable = "chkconfig pdagent on" if disabled else "chkconfig --add pdagent"
    return f"sudo {enable} && sudo service pdagent start"


def running(context: Context, _results: Results) -> Finding:
    """Look for the process, and whether it still turns its loop."""
    process = context.host.process
    if process is None:
        return _not_running(context)
    state = context.host.state
    pause = context.settings.send_interval_secs
    age = time.time() - epoch(state.get("written_at"))
    is_its_own = state.get("pid") == process.pid
    if is_its_own and age > 3 * pause + _GRACE_SECONDS:
        return Finding(
            FAIL,
            f"pdagentd (pid {process.pid}) has been stuck for {span(age)}",
            expected=f"a turn of its loop every {pause} s",
            fix="restart it; if it happens again, send the bundle to support",
            command=context.host.service_command("restart"),
            detail={"pid": process.pid, "state_age_seconds": round(age, 1)},
        )
    if is_its_own and state.get("version") != __version__:
        return outdated(
            f"pdagentd {state.get('version')} runs, pdagent {__version__} is installed",
            expected="the daemon runs what is installed",
            command=context.host.service_command("restart"),
        )
    up = span(time.time() - process.started_at)
    last = f", last turn {span(max(0.0, age))} ago" if state.get("written_at") else ""
    return ok(f"pdagentd runs as pid {process.pid} for {up}{last}", pid=process.pid)


def _not_running(context: Context) -> Finding:
    facts = context.host.unit
    if facts.get("ActiveState") == "failed" or facts.get("SubState") == "auto-restart":
        status, result = facts.get("ExecMainStatus", "?"), facts.get("Result", "?")
        seen = f"pdagentd crashed ({result}, status {status})"
    else:
        seen = "pdagentd is not running"
    return Finding(
        FAIL,
        seen,
        expected="a running pdagentd: it is what sends the queued events",
        fix="start it; what piled up is sent then",
        command=context.host.service_command("start" if "crashed" not in seen else "restart"),
        detail={key: facts[key] for key in ("ActiveState", "Result") if key in facts},
    )


def epoch(text: Any) -> float:
    """Return the seconds since the epoch of a UTC time like 2026-05-04T03:02:01Z, else 0."""
    try:
        return float(calendar.timegm(time.strptime(str(text)[:19], "%Y-%m-%dT%H:%M:%S")))
    except ValueError:
        return 0.0


def span(seconds: float) -> str:
    """Return a duration in its largest sensible unit."""
    for size, unit_name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit_name}"
    return f"{seconds:.0f} s"


def user(context: Context, _results: Results) -> Finding:
    """Compare the daemon's user with the owner of the queue."""
    if context.host.private:
        return skip(_PRIVATE)
    agent = host.agent_user()
    if agent is None:
        return Finding(
            FAIL,
            f"there is no user {host.AGENT_USER}",
            expected="the package's system user",
            fix="make the user with the ids that its files have, and restart the agent",
            command=f"{_make_user_command()} && {context.host.service_command('restart')}",
        )
    process = context.host.process
    if process and process.uid != agent.pw_uid:
        return Finding(
            FAIL,
            f"pdagentd runs as {_user_name(process.uid)}",
            expected=f"it runs as {host.AGENT_USER}",
            fix="stop that one and start the service",
            command=f"sudo kill {process.pid} && {context.host.service_command('start')}",
        )
    return ok(f"{host.AGENT_USER} (uid {agent.pw_uid})", uid=agent.pw_uid)


def _make_user_command() -> str:
    """Return what makes the agent's user: the owner of its files once more, where it can be."""
    name = host.AGENT_USER
    make = f"--home-dir {host.SYSTEM_DATA_DIR} --shell /usr/sbin/nologin {name}"
    try:
        files = os.stat(host.SYSTEM_DATA_DIR)
    except OSError:
        return f"sudo useradd --system --user-group {make}"
    if files.st_uid == 0 or _user_name(files.st_uid) != f"uid {files.st_uid}":
        return f"sudo useradd --system --user-group {make} && sudo {STATE_DIRS}"
    group = f"sudo groupadd --force --system --gid {files.st_gid} {name}"
    return f"{group} && sudo useradd --system --uid {files.st_uid} --gid {name} {make}"


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


CHECKS = (
    Check(
        id="service.unit",
        group="service",
        question="Is the unit or init script installed and enabled?",
        guide="basic-troubleshooting",
        run=unit,
    ),
    Check(
        id="service.running",
        group="service",
        question="Does the daemon run, and does its loop turn?",
        guide="basic-troubleshooting",
        run=running,
        needs=("service.unit",),
        follows=(
            "config.parse",
            "service.user",
            "queue.dirs",
            "disk.space",
            "disk.inodes",
            "time.clock",
        ),
    ),
    Check(
        id="service.user",
        group="service",
        question="Is the daemon's user the queue's owner?",
        guide="basic-troubleshooting",
        run=user,
        follows=("service.unit",),
    ),
)
