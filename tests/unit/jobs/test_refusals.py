from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fakes import MemoryObjects
from healthcare_ops.core.reasons import FileFault
from healthcare_ops.jobs.refusals import forget_refused, keep_refused, refused_files
from healthcare_ops.pipeline.quality.report.refusals import RefusedFile


def refused(name, sha256, day=2):
    return RefusedFile(name, sha256, datetime(2026, 3, day, 4, tzinfo=UTC), FileFault.FILE_NOT_WHOLE)


def kept(objects):
    return [(file.source_file, file.sha256) for file in refused_files(objects, "visits")]


@pytest.fixture
def objects():
    """Return a store in which two files of a feed were refused."""
    objects = MemoryObjects()
    keep_refused(objects, "visits", [refused("a.csv", "aa")])
    keep_refused(objects, "visits", [refused("b.csv", "bb", day=3)])
    return objects


def test_refused_files_are_kept_by_feed_the_newest_first(objects):
    assert kept(objects) == [("b.csv", "bb"), ("a.csv", "aa")]
    assert refused_files(objects, "flow") == []


def test_a_file_that_is_refused_again_stands_once(objects):
    keep_refused(objects, "visits", [refused("a.csv", "cc", day=4)])

    assert kept(objects) == [("a.csv", "cc"), ("b.csv", "bb")]


@pytest.mark.parametrize(
    ("names", "hashes", "left"),
    [
        (["a.csv"], ["dd"], [("b.csv", "bb")]),  # the supplier sent it again
        (["renamed.csv.gz"], ["bb"], [("a.csv", "aa")]),  # it was taken by its right name
        (["c.csv"], ["cc"], [("b.csv", "bb"), ("a.csv", "aa")]),
    ],
)
def test_a_file_that_was_taken_since_is_told_no_more(objects, names, hashes, left):
    forget_refused(objects, "visits", names, hashes)

    assert kept(objects) == left


@pytest.mark.parametrize("text", [b"[", b"{}x", b'[{"source_file": "a.csv"}]', b"[1]"])
def test_a_damaged_list_stops_nothing_and_is_begun_anew(objects, text):
    objects.write("ops/refused_files/visits.json", text)
    assert kept(objects) == []

    keep_refused(objects, "visits", [refused("c.csv", "cc")])

    assert kept(objects) == [("c.csv", "cc")]


def test_of_a_supplier_who_sends_nothing_but_such_files_the_newest_are_kept(objects):
    for number in range(300):
        keep_refused(objects, "visits", [refused(f"{number}.csv", f"{number}")])

    assert len(kept(objects)) == 200
    assert kept(objects)[0] == ("299.csv", "299")
