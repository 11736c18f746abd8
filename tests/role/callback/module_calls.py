"""Counts, for each host, the modules that a run executed on it."""

from __future__ import annotations

import json
import os
from collections import Counter

from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: module_calls
type: aggregate
short_description: Counts the module calls of each host
description: >-
  Prints one line with the counts at the end of the run. Every module that is sent to a host
  counts, not every task: a template is two or three (stat, copy, file), each item of a loop
  is one, a skipped task and what runs on the controller are none.
"""


class CallbackModule(CallbackBase):
    """Counts where every action plugin sends its modules from."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "module_calls"

    def __init__(self):
        super().__init__()
        # Tasks run in processes that are forked from this one later and share the open file.
        self._log = os.memfd_create("module-calls")
        ActionBase._execute_module = _counted(ActionBase._execute_module, self._log)

    def v2_playbook_on_stats(self, stats):
        """Print the counts."""
        os.lseek(self._log, 0, os.SEEK_SET)
        with open(self._log, encoding="utf-8") as log:
            counts = Counter(log.read().split())
        self._display.display("MODULE CALLS " + json.dumps(counts))


def _counted(execute, log):
    """Return the method with a line in the log for every call that goes to a host."""

    def execute_module(action, *arguments, **options):
        if action._connection.transport != "local":
            os.write(log, options["task_vars"]["inventory_hostname"].encode() + b"\n")
        return execute(action, *arguments, **options)

    return execute_module
