"""What the hosts' tests share: which hosts, the emulator, and sending an event.

    pytest molecule/default molecule/shared             # the testbed of that scenario
    pytest molecule/shared --testbed pdagent-lab        # the same tests against a running lab

Molecule calls it in the first form. Hosts are entered with podman, as root.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from pathlib import Path

import pytest

from tests.emulator.client import Emulator

SCENARIOS = Path(__file__).resolve().parent
WAIT_FOR_BOOT = (SCENARIOS / "shared/wait-for-boot.sh").read_text()
# More than all that a test waits for, each with a limit of its own.
TIMEOUT_SECONDS = 900


def pytest_addoption(parser):
    parser.addoption("--testbed", help="containers to test (default: those of the scenario)")


def pytest_configure(config):
    if not config.option.hosts:
        config.option.connection = "podman"
        config.option.hosts = ",".join(running_hosts(testbed_name(config)))


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(SCENARIOS):
            item.add_marker(pytest.mark.timeout(TIMEOUT_SECONDS))


def testbed_name(config):
    """The testbed that was asked for, else that of the first scenario among the arguments."""
    if config.option.testbed:
        return config.option.testbed
    paths = [*(Path(word.partition("::")[0]).resolve() for word in config.args), Path.cwd()]
    folders = (path.relative_to(SCENARIOS).parts[0] for path in paths if SCENARIOS in path.parents)
    scenario = next((name for name in folders if name != "shared"), None)
    if scenario is None:
        raise pytest.UsageError(
            "Say whose hosts to test: a scenario's (pytest molecule/default molecule/shared) "
            "or the lab's (pytest molecule/shared --testbed pdagent-lab)"
        )
    return f"pdagent-{scenario}"


def running_hosts(testbed):
    """Names of the testbed's containers that have the agent; one that has ended is an error."""
    filters = [
        f"--filter=label=org.pdagent.{label}" for label in (f"testbed={testbed}", "group=pdagent")
    ]
    command = ["podman", "ps", "--all", "--format=json", *filters]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    states = {container["Names"][0]: container["State"] for container in json.loads(listed)}
    if not states:
        raise pytest.UsageError(
            f"No host of the testbed {testbed} runs. To start one and keep it: make lab, or "
            "make molecule SCENARIO=... DESTROY=never"
        )
    ended = sorted(name for name, state in states.items() if state != "running")
    if ended:
        raise pytest.UsageError(
            f"Not running: {', '.join(ended)}. To see why: podman logs {ended[0]}"
        )
    return sorted(states)


@pytest.fixture(scope="session")
def emulator(request):
    name = testbed_name(request.config)
    command = ["podman", "port", f"{name}-emulator", "8080"]
    address = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return Emulator(f"http://{address}")


@pytest.fixture
def key():
    """An integration key that nobody else uses."""
    return secrets.token_hex(16)


@pytest.fixture
def arrived(emulator, key):
    """Wait until so many events have arrived under the key; return them in order."""

    def arrived(count, *, key=key, timeout=90):
        deadline = time.monotonic() + timeout
        while len(events := emulator.events(key=key)) < count and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(events) == count
        return events

    return arrived


@pytest.fixture
def reboot(host):
    """Shut the host's init system down in an orderly way and boot it again."""

    def reboot():
        name = host.backend.name
        patience = "30"
        if not host.file("/run/systemd/system").is_directory:
            shut_down_sysvinit(host)
            patience = "0"  # nothing is left to wait for, and init itself ignores the signal
        for command in (
            ["podman", "restart", "--time", patience, name],
            ["podman", "exec", name, "sh", "-c", WAIT_FOR_BOOT],
        ):
            subprocess.run(command, check=True, capture_output=True)

    return reboot


def shut_down_sysvinit(host):
    """Go through runlevel 6; in a container it ends with init alone, which cannot reboot."""
    host.run("init 6")
    deadline = time.monotonic() + 60
    # The shutdown ends what is run in the host, too: an exit code of 1 is pgrep's own "none".
    while {host.run("pgrep -u pdagent").rc, host.run("pgrep -f '[i]nit.d/rc '").rc} != {1}:
        assert time.monotonic() < deadline, "runlevel 6 does not come to its end"
        time.sleep(0.2)


@pytest.fixture
def send(host, key):
    """Submit a v1 event from the host, as a user that has no rights at all."""

    def send(incident, *, action="trigger", key=key):
        host.run_expect(
            [0],
            "runuser -u nobody -- pd-send -q -k %s -t %s -i %s -d 'sent by a test'",
            key, action, incident,
        )  # fmt: skip

    return send
