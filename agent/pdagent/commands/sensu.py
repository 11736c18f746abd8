"""pd-sensu: queue the event that Sensu writes to a handler's standard input."""

from __future__ import annotations

from pdagent import submission
from pdagent.commands import console, keyfile
from pdagent.commands.options import Arguments, Command, Option
from pdagent.event import EventError, check_key
from pdagent.sources import sensu

NAME = "pd-sensu"
COMMAND = Command(
    NAME,
    (
        Option("-k", "--integration-key", help="integration key"),
        keyfile.KEY_FILE,
        Option("-i", "--incident-key", help="incident key instead of client/check"),
    ),
    description="Queue a Sensu event, read as JSON from standard input, for PagerDuty.",
)


def main(argv: list[str]) -> int:
    """Run pd-sensu and return its exit code."""
    return console.run(COMMAND, argv, _send)


def _send(args: Arguments) -> int:
    key = keyfile.integration_key(
        args.integration_key, args.key_file, "-k/--integration-key", stdin=False
    )
    check_key("integration key", key)
    settings = submission.settings_for(args.config)
    try:
        text = console.read_input().decode("utf-8", "surrogateescape")
        event = sensu.event(key, sensu.parse(text), args.incident_key)
        submission.store_trimmed(submission.complete(event, settings, NAME), settings)
    except EventError as error:
        # Not the arguments are wrong but what came in, so usage would not help.
        console.complain(f"{NAME}: {error}")
        return console.COULD_NOT
    return console.DONE
