"""Counts, for each host, the modules that a run executed on it."""

from __future__ import annotations

import json
from collections import Counter

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: module_calls
type: aggregate
short_description: Counts the module calls of each host
description: Prints one line with the counts at the end of the run.
"""

# These run on the controller alone.
ON_CONTROLLER = {
    "debug",
    "fail",
    "include_role",
    "include_tasks",
    "include_vars",
    "meta",
    "set_fact",
    "validate_argument_spec",
}


class CallbackModule(CallbackBase):
    """Adds up results; an item of a loop is a call of its own, a skipped one is none."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "module_calls"

    def __init__(self):
        super().__init__()
        self._calls = Counter()

    def v2_runner_on_ok(self, result):
        """Count one result; the sum of a loop stands for its items."""
        if result._task.action.rsplit(".", 1)[-1] in ON_CONTROLLER:
            return
        items = result._result.get("results")
        looped = isinstance(items, list) and result._task.loop is not None
        ran = [item for item in items if not item.get("skipped")] if looped else [result]
        self._calls[result._host.get_name()] += len(ran)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        """A module that failed was called too."""
        self.v2_runner_on_ok(result)

    def v2_playbook_on_stats(self, stats):
        """Print the counts."""
        self._display.display("MODULE CALLS " + json.dumps(self._calls))
