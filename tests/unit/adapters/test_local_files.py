from __future__ import annotations

import hashlib
import stat

import pytest

from healthcare_ops.adapters.local_files import copy_file, create_private, replacing, write_bytes


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def write_half(path):
    with replacing(path) as stream:
        stream.write(b"new, but only ha")
        raise RuntimeError("power cut")


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_write_that_breaks_off_leaves_the_old_file(tmp_path):
    report = tmp_path / "report.json"
    write_bytes(report, b"old")

    with pytest.raises(RuntimeError, match="power cut"):
        write_half(report)

    assert report.read_bytes() == b"old"
    assert names_in(tmp_path) == ["report.json"]


def test_readers_see_the_old_file_until_the_new_one_is_whole(tmp_path):
    report = tmp_path / "report.json"
    write_bytes(report, b"old")

    with replacing(report) as stream:
        stream.write(b"new")
        stream.flush()
        seen_meanwhile = report.read_bytes()

    assert (seen_meanwhile, report.read_bytes()) == (b"old", b"new")


def test_a_write_makes_the_folders_on_its_way(tmp_path):
    report = tmp_path / "reports" / "dt=2026-03-01" / "a.json"

    write_bytes(report, b"{}")

    assert report.read_bytes() == b"{}"
    assert names_in(report.parent) == ["a.json"]


def test_a_file_has_the_mode_that_was_asked_for(tmp_path):
    write_bytes(tmp_path / "report.json", b"{}")
    write_bytes(tmp_path / "store.json", b"{}", mode=0o600)

    assert (mode_of(tmp_path / "report.json"), mode_of(tmp_path / "store.json")) == (0o644, 0o600)


def test_a_delivery_is_copied_whole(tmp_path):
    delivered = tmp_path / "delivered.csv"
    delivered.write_bytes(b"visit\n" * 400_000)

    copy_file(delivered, tmp_path / "raw" / "delivered.csv", hashlib.sha256(delivered.read_bytes()).hexdigest())

    assert (tmp_path / "raw" / "delivered.csv").read_bytes() == b"visit\n" * 400_000


def test_a_private_file_is_for_its_owner_only(tmp_path):
    create_private(tmp_path / "key", b"k" * 32)

    assert (tmp_path / "key").read_bytes() == b"k" * 32
    assert mode_of(tmp_path / "key") == 0o600


def test_a_private_file_is_never_replaced(tmp_path):
    create_private(tmp_path / "key", b"first")

    create_private(tmp_path / "key", b"second")

    assert (tmp_path / "key").read_bytes() == b"first"
    assert names_in(tmp_path) == ["key"]
