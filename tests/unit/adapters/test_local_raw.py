from __future__ import annotations

import hashlib
import json
import os
from datetime import date

import pytest

from healthcare_ops.adapters.local_raw import LocalRaw
from healthcare_ops.core.errors import DataError

DAY = date(2026, 3, 1)
ABC = hashlib.sha256(b"visit\n1\n").hexdigest()


@pytest.fixture
def root(tmp_path):
    return tmp_path / "raw"


@pytest.fixture
def raw(root):
    return LocalRaw(root)


@pytest.fixture
def visits(tmp_path):
    path = tmp_path / "visits.csv"
    path.write_bytes(b"visit\n1\n")
    return path


def test_a_delivery_lies_under_its_feed_and_day(raw, root, visits):
    raw.land("ed", visits, ABC, DAY)

    assert (root / "ed" / "dt=2026-03-01" / "000001" / "visits.csv").read_bytes() == b"visit\n1\n"


def test_what_is_known_of_a_delivery_lies_beside_it(raw, root, visits):
    raw.land("ed", visits, ABC, DAY)

    assert json.loads((root / "ed" / "dt=2026-03-01" / "000001.json").read_text()) == {
        "feed_id": "ed",
        "delivery_seq": 1,
        "source_file": "visits.csv",
        "source_sha256": ABC,
        "delivered_on": "2026-03-01",
    }


def test_the_next_process_goes_on_counting(raw, root, visits):
    raw.land("ed", visits, ABC, DAY)

    assert LocalRaw(root).land("ed", visits, ABC, date(2026, 3, 2)).delivery_seq == 2
    assert [delivery.source_sha256 for delivery in LocalRaw(root).deliveries("ed")] == [ABC, ABC]


def test_a_delivery_that_was_cut_off_does_not_count_and_its_number_is_given_again(raw, root, visits):
    raw.land("ed", visits, ABC, DAY)
    cut_off = root / "ed" / "dt=2026-03-02" / "000002"
    cut_off.mkdir(parents=True)
    (cut_off / ".new-half").write_bytes(b"vis")
    (cut_off / "visits.csv").write_bytes(b"visit\n2\n")

    before = raw.deliveries("ed")
    landed = raw.land("ed", visits, ABC, date(2026, 3, 2))

    assert [delivery.delivery_seq for delivery in before] == [1]
    assert landed.delivery_seq == 2
    with raw.open(landed) as path:
        assert path.read_bytes() == b"visit\n1\n"


def test_raw_holds_nothing_of_a_file_that_changed_before_it_was_copied(raw, root, visits):
    visits.write_bytes(b"visit\n1\n2\n")

    with pytest.raises(DataError, match="changed while it was read"):
        raw.land("ed", visits, ABC, DAY)

    assert [path.name for path in root.rglob("*") if path.is_file()] == []


def test_a_feed_whose_name_begins_like_another_s_is_another(raw, visits):
    raw.land("ed", visits, ABC, DAY)

    assert raw.deliveries("ed2") == []
    assert raw.deliveries("e") == []


def test_a_delivery_that_was_damaged_since_is_not_read(raw, root, visits):
    landed = raw.land("ed", visits, ABC, DAY)
    (root / "ed" / "dt=2026-03-01" / "000001" / "visits.csv").write_bytes(b"visit\n")

    with (
        pytest.raises(DataError, match=r"visits.csv of feed ed \(delivery 1\) is not in raw as it was delivered"),
        raw.open(landed),
    ):
        pass


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_delivery_that_was_damaged_is_put_back_by_the_same_file(raw, root, visits, is_gone):
    landed = raw.land("ed", visits, ABC, DAY)
    kept = root / "ed" / "dt=2026-03-01" / "000001" / "visits.csv"
    kept.unlink() if is_gone else kept.write_bytes(b"visit\n")

    assert raw.put_back(landed, visits)

    with raw.open(landed) as path:
        assert path.read_bytes() == b"visit\n1\n"


def test_a_delivery_that_is_as_it_was_is_left_alone(raw, visits):
    assert not raw.put_back(raw.land("ed", visits, ABC, DAY), visits)


@pytest.mark.skipif(os.geteuid() == 0, reason="rights of folders do not bind an administrator")
def test_a_folder_that_may_not_be_read_is_not_one_without_deliveries(raw, root, visits):
    raw.land("ed", visits, ABC, DAY)
    (root / "ed").chmod(0)

    try:
        with pytest.raises(PermissionError):
            raw.deliveries("ed")
    finally:
        (root / "ed").chmod(0o755)
