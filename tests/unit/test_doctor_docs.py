"""docs/doctor.md says what pd-doctor has: every check, every action of --fix."""

from pathlib import Path

from pdagent.doctor import fix
from pdagent.doctor.catalogue import all_checks

LINES = Path(__file__, "../../../docs/doctor.md").resolve().read_text("utf-8").splitlines()


def test_the_page_lists_every_check_with_its_question():
    wanted = [f"| `{check.id}` | {check.question} |" for check in all_checks()]
    assert [line for line in LINES if line in wanted] == wanted


def test_the_page_lists_all_that_fix_does():
    wanted = [f"- {meaning}" for meaning in dict.fromkeys(text for _, text in fix.SAFE)]
    assert [line for line in LINES if line in wanted] == wanted
