"""The tortures themselves can find something: a torture that cannot fail proves nothing."""

from tests.torture.lost_writes import Disk
from tests.torture.outcome import Outcome

TMP, PDQ = b"/q/tmp/a", b"/q/pdq/a"


def written(*, sync_file=True, sync_directory=True, journal=False):
    """A disk after what submit does, some of it left out."""
    disk = Disk(journal=journal)
    disk.create(TMP)
    disk.write(TMP, b"event")
    if sync_file:
        disk.sync(TMP)
    disk.link(TMP, PDQ)
    if sync_directory:
        disk.sync(b"/q/pdq")
    disk.unlink(TMP)
    return disk


def test_everything_synced_survives_every_power_failure():
    assert all(found[PDQ] == b"event" for found in written().crashes())


def test_directory_not_synced_may_lose_the_event():
    assert not all(PDQ in found for found in written(sync_directory=False).crashes())


def test_data_not_synced_may_leave_an_empty_event():
    assert any(found[PDQ] == b"" for found in written(sync_file=False).crashes())


def test_journal_commits_the_link_with_a_later_sync_of_the_file_only():
    disk = written(sync_directory=False, journal=True)
    assert not all(PDQ in found for found in disk.crashes())
    disk = written(sync_directory=False, journal=True)
    disk.sync(PDQ)
    assert all(found[PDQ] == b"event" for found in disk.crashes())


def test_rename_that_is_not_synced_leaves_one_name_or_the_other_never_none():
    disk = Disk(journal=False)
    disk.put(PDQ, b"event")
    disk.rename(PDQ, b"/q/suc/a")
    names = [set(found) for found in disk.crashes()]
    assert names == [{PDQ}, {b"/q/suc/a"}]


def test_write_at_an_offset_replaces_and_extends():
    disk = Disk(journal=False)
    disk.put(PDQ, b"abc")
    disk.write(PDQ, b"XY", 2)
    assert disk.data[disk.entries[PDQ]] == b"abXY"


def test_outcome_keeps_what_was_broken():
    outcome = Outcome("one thing")
    outcome.expect(True, "never")
    outcome.expect(False, "lost")
    assert outcome.lines() == ["  tried one thing", "  FOUND lost"]
