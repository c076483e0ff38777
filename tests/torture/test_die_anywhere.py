"""A sample of the deaths of `make torture`; TORTURE_SEED draws another one."""

from __future__ import annotations

import os
import random
import sys
from pathlib import PurePosixPath

import pytest

from torture.days import ACTS, Lane
from torture.killer import COMPILER_MISSING, PARTS, Killer, Point, compile_killer, has_compiler
from torture.survival import sampled, survive, trials, undisturbed

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the library that kills is for Linux"),
    pytest.mark.skipif(not has_compiler(), reason=COMPILER_MISSING),
]

SEED = int(os.environ.get("TORTURE_SEED", "1"))
DEATHS = 8
DEATHS_ON_POSTGRES = [pytest.param(number, marks=pytest.mark.slow if number > 1 else ()) for number in range(4)]
RELIED_ON_BY_NOBODY = ("log", "lock", "scratch")
INGEST, DAILY = ACTS[:2]
WHOM = {INGEST.name: ("group",), DAILY.name: ("group", "self")}


@pytest.fixture(scope="module")
def lane(tmp_path_factory):
    found = Lane(tmp_path_factory.mktemp("lane"))
    found.prepare((INGEST, DAILY))
    return found


@pytest.fixture(scope="module")
def killer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killer")
    return Killer(compile_killer(folder), folder)


@pytest.fixture(scope="module")
def references(lane, killer):
    return {act.name: undisturbed(lane, killer, act) for act in (INGEST, DAILY)}


@pytest.fixture(scope="module")
def deaths(references):
    return draw(references)


def draw(references):
    """Return the deaths of the acts, in an order of which any beginning is a fair sample."""
    found = []
    for act in (act for act in ACTS if act.name in references):
        points = references[act.name].points
        # A run makes a few changes more or fewer each time: the last ones may not come.
        sure = 0.97 * len(points)
        found += [one for one in trials(act, points, WHOM[act.name], SEED) if one[0].number < sure]
    return sampled(found, random.Random(SEED))


@pytest.fixture(scope="module")
def lane_on_postgres(tmp_path_factory, postgres_url):
    found = Lane(tmp_path_factory.mktemp("lane"), server_url=postgres_url)
    found.prepare((DAILY,))
    return found


@pytest.fixture(scope="module")
def reference_on_postgres(lane_on_postgres, killer):
    return undisturbed(lane_on_postgres, killer, DAILY)


@pytest.mark.parametrize("number", range(DEATHS))
def test_whatever_is_killed_at_any_change_of_a_file_ends_as_if_nothing_had_happened(
    lane, killer, references, deaths, number
):
    trial = deaths[number]
    act = next(act for act in ACTS if act.name == trial.act)

    result = survive(lane, killer, act, trial, references[trial.act], twice=number == 0, again=number == 1)

    assert result.faults == [], result
    assert result.is_dead, result


@pytest.mark.postgres
@pytest.mark.parametrize("number", DEATHS_ON_POSTGRES)
def test_a_run_whose_steps_are_on_a_server_dies_no_worse(lane_on_postgres, killer, reference_on_postgres, number):
    trial = draw({DAILY.name: reference_on_postgres})[number]

    result = survive(lane_on_postgres, killer, DAILY, trial, reference_on_postgres, twice=False)

    assert result.faults == [], result
    assert result.is_dead, result
    assert not (lane_on_postgres.state / "runs.db").exists()


def test_the_changes_of_every_part_of_the_state_are_seen(references):
    points = references[DAILY.name].points

    calls = {part: {point.call for point in points if point.part == part} for part in PARTS}

    assert {"create", "pwrite", "sync", "unlink"} <= calls["run store"] & calls["catalog"]
    assert {"create", "write", "sync", "rename"} <= calls["run record"] & calls["quality report"]
    assert {"create", "pwrite"} <= calls["lake data"]
    assert {"create", "write"} <= calls["lake metadata"]
    assert {"create", "write"} <= calls["log"]


@pytest.mark.parametrize("act", [INGEST, DAILY], ids=lambda act: act.name)
def test_what_a_database_names_is_on_the_disk_before_it_names_it(references, act):
    assert named_too_early(references[act.name].points) == set()


def named_too_early(points):
    """Return what a loss of power could take though a commit of the catalog or of the run store relies on it."""
    unsaved, early = set(), set()
    for point in points:
        path = PurePosixPath("/") / point.path
        if path.name in ("catalog.db-journal", "runs.db-journal") and point.call == "unlink":
            early |= unsaved
        if point.part in ("run store", "catalog", *RELIED_ON_BY_NOBODY) and point.call != "sync":
            continue
        if point.call == "sync":
            unsaved -= {("content", path), ("names", path)}
        elif point.call == "unlink":
            unsaved -= {("content", path)}
        elif point.call in ("create", "mkdir", "rename", "link"):
            unsaved.add(("names", path.parent))
        else:
            unsaved.add(("content", path))
    return {(kind, str(path)) for kind, path in early if not path.name.startswith(".new-")}


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ("create a, write a, sync a, sync ., commit", set()),
        ("create a, write a, sync a, commit", {("names", "/lake/gold/data")}),
        ("create a, write a, sync ., commit", {("content", "/lake/gold/data/a")}),
        ("create a, write a, commit, sync a, sync .", {("content", "/lake/gold/data/a"), ("names", "/lake/gold/data")}),
    ],
)
def test_a_file_that_is_named_too_early_is_seen(calls, expected):
    folder = "/lake/gold/data"
    points = []
    for number, call in enumerate(calls.split(", ")):
        what, _, name = call.partition(" ")
        path = {"": "/lake/catalog.db-journal", ".": folder}.get(name, f"{folder}/{name}")
        points.append(Point(number, 1, "unlink" if what == "commit" else what, path))

    assert named_too_early(points) == expected
