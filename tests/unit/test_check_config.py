"""`pdagentd --check-config`: what a deployment asks before it replaces the settings file."""

import pytest

from pdagent.commands import daemon


@pytest.fixture
def check(tmp_path, capfd):
    """Check a file with this content; return the exit code and what was said."""

    def run(content):
        path = tmp_path / "pdagent.conf"
        path.write_text(content)
        code = daemon.main(["--check-config", "--config", str(path)])
        return code, capfd.readouterr().err

    return run


def test_good_file_passes_in_silence(check):
    assert check("[Main]\nsend_interval_secs = 5\n") == (0, "")


def test_bad_value_fails_and_names_its_line(check):
    code, said = check("[Main]\nsend_interval_secs = soon\n")
    assert code == 1
    assert "pdagent.conf:2: send_interval_secs = soon" in said


def test_misspelt_key_fails_although_the_daemon_would_only_warn(check):
    code, said = check("[Main]\nsend_interval_sec = 5\n")
    assert code == 1
    assert "did you mean send_interval_secs?" in said


def test_nothing_is_made_in_the_data_directory_it_names(check, tmp_path):
    assert check(f"[Main]\ndata_dir = {tmp_path}/data\n")[0] == 0
    assert not (tmp_path / "data").exists()
