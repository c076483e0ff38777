from __future__ import annotations

import pytest

from healthcare_ops.adapters.synced_files import SyncedFiles


def test_a_file_is_read_as_it_was_written_in_a_folder_that_was_not_there(tmp_path):
    place = str(tmp_path / "São Paulo" / "metadata" / "00000.json")

    with SyncedFiles().new_output(place).create() as stream:
        stream.write(b"a")
        stream.write(b"b")

    assert SyncedFiles().new_input(place).open().read() == b"ab"
    assert len(SyncedFiles().new_input(place)) == 2


def test_a_file_that_is_there_is_replaced_only_if_that_is_asked_for(tmp_path):
    place = tmp_path / "00000.json"
    place.write_bytes(b"old")
    file = SyncedFiles().new_output(str(place))

    with pytest.raises(FileExistsError):
        file.create()

    with file.create(overwrite=True) as stream:
        stream.write(b"new")
    assert place.read_bytes() == b"new"
