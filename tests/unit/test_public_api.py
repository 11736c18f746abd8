"""The Python surface for integrations of one's own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import pdagent

KEY = "0123456789abcdef0123456789abcdef"


def test_submit_queues_a_v2_event(config, bodies, queue):
    event = pdagent.Event.v2(KEY, "trigger", summary="disk full", source="db7", severity="error")

    name = pdagent.submit(event, config=config)

    [body] = bodies()
    assert os.listdir(f"{queue}/pdq") == [name]
    assert len(body.pop("dedup_key")) == 32
    assert body == event.body


def test_submit_adds_who_queued_a_v1_event(config, bodies):
    event = pdagent.Event.v1(KEY, "resolve", incident_key="k")

    pdagent.submit(event, config=config, queued_by="my-tool")
    pdagent.submit(event, config=config)

    first, second = bodies()
    assert first["agent"]["queued_by"] == "my-tool"
    assert second["agent"]["queued_by"] == "pdagent.submit"
    assert "agent" not in event.body


def test_an_agent_object_of_ones_own_is_kept(config, bodies):
    agent = {"agent_id": None, "queued_by": "x", "queued_at": "2026-05-04T03:02:01Z"}

    pdagent.submit(pdagent.Event.v1(KEY, "resolve", incident_key="k", agent=agent), config=config)

    assert bodies()[0]["agent"] == agent


def test_the_settings_file_may_come_from_the_environment(config, bodies, monkeypatch):
    monkeypatch.setenv("PDAGENT_CONFIG", config)

    pdagent.submit(pdagent.Event.change(KEY, summary="deployed"))

    assert len(bodies()) == 1


def test_each_way_to_fail_has_its_public_error(config, tmp_path):
    event = pdagent.Event.change(KEY, summary="deployed")

    with pytest.raises(pdagent.EventError):
        pdagent.Event.change(KEY)
    with pytest.raises(pdagent.SettingsError):
        pdagent.submit(event, config=str(tmp_path / "none.conf"))
    os.rmdir(tmp_path / "data" / "outqueue" / "pdq")
    with pytest.raises(pdagent.SubmitError):
        pdagent.submit(event, config=config)


def test_every_public_name_is_there_and_no_other():
    assert {name: getattr(pdagent, name) for name in pdagent.__all__}
    with pytest.raises(AttributeError, match="module 'pdagent' has no attribute 'frobnicate'"):
        pdagent.frobnicate  # noqa: B018 - the access is the test


def test_importing_the_package_imports_nothing_of_it():
    code = "import sys, pdagent; print([m for m in sys.modules if m.startswith('pdagent.')])"

    done = subprocess.run(
        [sys.executable, "-c", code], cwd="agent", capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"


def test_threads_may_submit_at_once(config, bodies):
    from concurrent.futures import ThreadPoolExecutor

    event = pdagent.Event.v1(KEY, "resolve", incident_key="k")
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: pdagent.submit(event, config=config), range(64)))

    assert len(set(names)) == len(bodies()) == 64


def test_the_example_in_the_documentation_works(config, bodies):
    with open("docs/python-api.md", encoding="utf-8") as page:
        example = page.read().split("```python\n")[1].split("```")[0]

    done = subprocess.run(
        [sys.executable, "-c", example],
        env={"PDAGENT_CONFIG": config, "PYTHONPATH": "agent"},
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert bodies()[0]["payload"]["summary"] == "disk full on db7"
