"""What --fix may run, and that nothing else ever is."""

import pytest

from pdagent.doctor import fix
from pdagent.doctor.check import FAIL, OK, Finding, Result

COPY = "/usr/share/pdagent/service/pdagent.service"


@pytest.mark.parametrize(
    ("command", "steps"),
    [
        ("sudo systemctl start pdagent", (("systemctl", "start", "pdagent"),)),
        (
            "sudo systemctl daemon-reload && sudo systemctl restart pdagent",
            (("systemctl", "daemon-reload"), ("systemctl", "restart", "pdagent")),
        ),
        *(
            (
                f"sudo install -m 644 {COPY} {folder}/",
                (("install", "-m", "644", COPY, f"{folder}/"),),
            )
            for folder in ("/usr/lib/systemd/system", "/lib/systemd/system")
        ),
        ("sudo /usr/share/pdagent/state-dirs", (("/usr/share/pdagent/state-dirs",),)),
        (
            "sudo update-rc.d pdagent enable && sudo service pdagent start",
            (("update-rc.d", "pdagent", "enable"), ("service", "pdagent", "start")),
        ),
        ("sudo chkconfig pdagent on", (("chkconfig", "pdagent", "on"),)),
    ],
)
def test_a_listed_command_is_run_step_by_step(command, steps):
    assert fix.safe_steps(command) == steps


@pytest.mark.parametrize(
    "command",
    [
        "sudoedit /etc/pdagent.conf && sudo systemctl restart pdagent",
        "sudo systemctl start pdagent; rm -rf /",
        "sudo systemctl start pdagent.service.d",
        "sudo rm -rv -- '/var/lib/pdagent/outqueue/tmp/0_x.txt'",
        "sudo date -u -s '2026-11-23 05:00:00'",
        "sudo nft insert rule inet guard out tcp dport 443 accept",
        "sudo install -m 644 /tmp/evil/pdagent.service /usr/lib/systemd/system/",
        "systemctl start pdagent && curl -v https://events.pagerduty.com/",
        "",
    ],
)
def test_anything_else_is_left_to_people(command):
    assert fix.safe_steps(command) == ()


def result(status, command):
    return Result("service.running", "service", Finding(status, "seen", command=command), 0.0)


def test_only_warnings_and_failures_are_acted_on():
    command = "sudo systemctl start pdagent"
    todo = fix.actions([result(OK, command), result(FAIL, command), result(FAIL, "nc -v h 1")])
    assert [one.command for one in todo] == [command]


def test_a_no_leaves_everything_as_it_is():
    said = []
    todo = list(fix.actions([result(FAIL, "sudo systemctl start pdagent")]))
    assert fix.carry_out(todo, ask=lambda _question: False, say=said.append) == 0
    assert said == ["service.running: left as it is"]


def test_a_step_that_cannot_run_is_told_and_not_counted():
    said = []
    action = fix.Action("service.unit", "x", (("/nonexistent/program",),))
    assert fix.carry_out([action], ask=lambda _question: True, say=said.append) == 0
    assert "service.unit: " in said[0]
    assert "done" not in said[0]
