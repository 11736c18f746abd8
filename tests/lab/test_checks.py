"""The stages that run side by side keep out of each other's way."""

from __future__ import annotations

from pathlib import Path

from lab import checks


def test_every_run_of_pytest_has_its_own_directory_above_those_of_its_tests(tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "REPORTS", tmp_path)
    seen = tmp_path / "seen"
    tests = tmp_path / "test_it.py"
    tests.write_text(f"def test_it(tmp_path): open({str(seen)!r}, 'a').write(f'{{tmp_path}}\\n')\n")
    command = ["pytest", "-q", f"--junitxml={tmp_path}/it.xml", str(tests)]

    with (tmp_path / "log").open("w") as log:
        assert [checks.run(command, log).passed for _ in range(2)] == [1, 1]

    first, second = (Path(line).parents[2] for line in seen.read_text().splitlines())
    assert first != second
    assert not first.exists()
    assert not second.exists()
