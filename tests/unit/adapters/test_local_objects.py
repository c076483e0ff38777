from __future__ import annotations

import pytest

from healthcare_ops.adapters.local_files import replacing
from healthcare_ops.adapters.local_objects import LocalObjects


@pytest.fixture
def objects(tmp_path):
    return LocalObjects(tmp_path / "state")


def test_an_object_lies_where_its_key_says(objects, tmp_path):
    objects.write("reports/dt=2026-03-01/a.json", b"{}")

    assert (tmp_path / "state" / "reports" / "dt=2026-03-01" / "a.json").read_bytes() == b"{}"
    assert objects.path("reports/dt=2026-03-01/a.json") == str(tmp_path / "state/reports/dt=2026-03-01/a.json")


def test_files_of_the_folder_itself_are_not_objects(objects, tmp_path):
    objects.write("runs/a.json", b"{}")
    (tmp_path / "state" / ".lock").write_text("4711")

    with replacing(tmp_path / "state" / "runs" / "b.json") as half_written:
        half_written.write(b"{")
        listed = objects.list("")

    assert listed == ["runs/a.json"]
