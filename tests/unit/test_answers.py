"""Answers for submitters who wait, in memory that belongs to all: promises 10 and 11."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pdagent.outqueue import answers
from pdagent.outqueue.answers import Answers

NOW = 1_800_000_000.0


def test_a_flood_of_refusals_leaves_the_latest_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "KEEP", 3)
    kept = Answers(str(tmp_path))
    for number in range(10):
        kept.put(f"{number}.json", {"message": "no"})
    assert sorted(os.listdir(tmp_path)) == ["7.json", "8.json", "9.json"]


def test_an_answer_is_readable_by_all_who_know_its_name(tmp_path: Path) -> None:
    Answers(str(tmp_path)).put("a.json", {})
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o644


def test_answers_nobody_waits_for_are_removed(tmp_path: Path) -> None:
    old, young = tmp_path / "old.json", tmp_path / "young.json"
    for path, age in ((old, 601), (young, 10)):
        path.touch()
        os.utime(path, (NOW - age, NOW - age))
    Answers(str(tmp_path)).sweep(NOW)
    assert (old.exists(), young.exists()) == (False, True)


def test_an_answer_that_goes_during_the_sweep_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "old.json"
    old.touch()
    os.utime(old, (NOW - 601, NOW - 601))
    monkeypatch.setattr(os, "listdir", lambda _path: ["gone.json", "old.json"])
    Answers(str(tmp_path)).sweep(NOW)
    assert not old.exists()
