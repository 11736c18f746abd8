"""The short form of every torture, for CI; ``make torture`` runs the long ones."""

import pytest

from tests.torture.__main__ import TORTURES


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", TORTURES)
def test_torture_finds_nothing(name, tmp_path, report):
    short, _ = TORTURES[name]
    outcome = short(tmp_path / name)
    report.extend([name, *outcome.lines()])
    assert outcome.found == []
