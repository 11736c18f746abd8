"""docs/promises.md and torture.md name what exists, and the tests' modules say so too."""

import ast
import re

from tests.host import ROOT
from tests.torture import page
from tests.torture.__main__ import FUZZ, TORTURES

TEXT = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
TORTURE = page.PATH.read_text(encoding="utf-8")


def test_all_fourteen_promises_are_traced():
    titles = re.findall(r"^## (\d+)\. ", TEXT, re.MULTILINE)
    assert titles == [str(number) for number in range(1, 15)]
    sections = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
    assert all("::" in section for section in sections)


def test_the_modules_name_the_promises_that_they_hold():
    silent = []
    for section in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]:
        number = section.partition(".")[0]
        for path in sorted(set(re.findall(r"`(tests/[\w/]+\.py)::", section))):
            title = ast.get_docstring(ast.parse((ROOT / path).read_text("utf-8"))) or ""
            _, _, said = title.partition("promise")
            if number not in re.findall(r"\d+", said.partition("\n")[0]):
                silent.append(f"{path}: promise {number}")
    assert silent == []


def test_every_test_named_exists():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT + TORTURE)
    assert len(named) > 50
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not re.search(rf"^(def {name}\(|{name} = )", (ROOT / path).read_text("utf-8"), re.M)
    ]
    assert missing == []


def test_every_torture_named_exists():
    lines = re.findall(r"^- tortures: (.*)$", TEXT, re.MULTILINE)
    named = {name for line in lines for name in re.findall(r"`([\w-]+)`", line)}
    assert named
    assert named <= set(TORTURES)


def test_the_page_of_outcomes_has_a_row_for_every_torture():
    rows = re.findall(r"^\| ([\w-]+) \| \d{4}-", TORTURE, re.MULTILINE)
    assert sorted(rows) == sorted([*TORTURES, FUZZ])
