"""The README says what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from pdagent.settings import KEYS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def row(key):
    default = {True: "true", False: "false"}.get(key.default, str(key.default))
    choices = ": " + ", ".join(key.choices) if key.choices else ""
    unit = f" ({key.unit})" if key.unit else ""
    return f"| `{key.name}` | {default and f'`{default}`'} | {key.doc}{choices}{unit} |"


def test_the_configuration_table_is_that_of_the_settings():
    begin = README.index("| key | default | meaning |")
    table = README[begin:].split("\n\n")[0].splitlines()[2:]

    assert table == [row(key) for key in KEYS]


def test_its_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#:]+)\)", README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
