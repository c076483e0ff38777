from __future__ import annotations

import pytest

from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.core.errors import ConfigError
from healthcare_ops.core.runs import RunRecord
from healthcare_ops.operations.history import find_run, read_log, read_runs

GOOD = RunRecord("daily-20260301T040000Z", "daily", "2026-02-28", "2026-03-01T04:00:00+00:00")


@pytest.fixture
def objects(tmp_path):
    objects = LocalObjects(tmp_path)
    objects.write(GOOD.key, GOOD.to_json())
    return objects


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("daily-20260302T040000Z.json", GOOD.to_json()[:100]),
        ("NOTES.txt", b"do not touch"),
        ("daily-2.json", GOOD.to_json()),
    ],
)
def test_a_damaged_record_or_a_foreign_file_hides_no_other_run(objects, name, text):
    objects.write(f"ops/runs/{name}", text)

    assert read_runs(objects) == [GOOD]
    assert find_run(objects, "last") == GOOD


def test_a_damaged_record_that_is_asked_for_is_named(objects):
    objects.write("ops/runs/daily-20260302T040000Z.json", GOOD.to_json()[:100])

    with pytest.raises(ConfigError, match=r"ops/runs/daily-20260302T040000Z\.json: this is no record"):
        find_run(objects, "daily-20260302")


def test_what_is_no_line_of_a_log_is_left_out(objects):
    line = '{"at": "2026-03-01", "level": "INFO", "run_id": "daily-1", "job": "dq_check", "message": "started"}'
    objects.write("ops/logs/daily-1.jsonl", f'5\n{line}\n[1]\n{{"at": 1}}\n{"[" * 100_000}\n{line[:20]}'.encode())

    assert [found["message"] for found in read_log(objects, "daily-1")] == ["started"]
