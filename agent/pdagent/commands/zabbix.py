"""pd-zabbix: queue a Zabbix alert."""

from __future__ import annotations

from pdagent import submission
from pdagent.commands import console
from pdagent.commands.options import Arguments, Command
from pdagent.sources import zabbix

NAME = "pd-zabbix"
COMMAND = Command(
    NAME,
    (),
    words=("SERVICE_KEY", "MESSAGE_TYPE", "BODY"),
    description="Queue a Zabbix alert for PagerDuty.",
    epilog="MESSAGE_TYPE is trigger, acknowledge or resolve. BODY has lines name:value with\n"
    "at least name, id, status and hostname.",
)


def main(argv: list[str]) -> int:
    """Run pd-zabbix and return its exit code."""
    return console.run(COMMAND, argv, _send)


def _send(args: Arguments) -> int:
    event = zabbix.event(args.SERVICE_KEY, args.MESSAGE_TYPE, args.BODY)
    settings = submission.settings_for(args.config)
    submission.store_trimmed(submission.complete(event, settings, NAME), settings)
    return console.DONE
