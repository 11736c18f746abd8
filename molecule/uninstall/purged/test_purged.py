"""After `purged` nothing of the agent is left but its user, who may own files elsewhere."""

from __future__ import annotations


def test_no_file_of_the_agent_is_left(files_left):
    assert files_left == set()


def test_nothing_runs_as_pdagent(host):
    assert host.process.filter(user="pdagent") == []
