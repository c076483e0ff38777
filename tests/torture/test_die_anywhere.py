"""A sample of the deaths of `make torture`; TORTURE_SEED draws another one."""

from __future__ import annotations

import os
import random
import sys

import pytest

from torture.days import ACTS, Lane
from torture.killer import COMPILER_MISSING, PARTS, Killer, compile_killer, has_compiler
from torture.survival import sampled, survive, trials, undisturbed

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the library that kills is for Linux"),
    pytest.mark.skipif(not has_compiler(), reason=COMPILER_MISSING),
]

SEED = int(os.environ.get("TORTURE_SEED", "1"))
DEATHS = 10
INGEST, DAILY = ACTS[:2]


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
    luck = random.Random(SEED)
    found = [*trials(INGEST, references[INGEST.name].points, "group", SEED)]
    for whom in ("group", "self"):
        found += trials(DAILY, references[DAILY.name].points, whom, SEED)
    return sampled(found, luck)


@pytest.mark.parametrize("number", range(DEATHS))
def test_whatever_is_killed_at_any_change_of_a_file_ends_as_if_nothing_had_happened(
    lane, killer, references, deaths, number
):
    trial = deaths[number]
    act = next(act for act in ACTS if act.name == trial.act)

    result = survive(lane, killer, act, trial, references[trial.act], twice=number == 0)

    assert result.faults == [], result
    assert result.is_dead, result


def test_the_changes_of_every_part_of_the_state_are_seen(references):
    points = references[DAILY.name].points

    calls = {part: {point.call for point in points if point.part == part} for part in PARTS}

    assert {"create", "pwrite", "sync", "unlink"} <= calls["run store"] & calls["catalog"]
    assert {"create", "write", "sync", "rename"} <= calls["run record"] & calls["quality report"]
    assert {"create", "pwrite"} <= calls["lake data"]
    assert {"create", "write"} <= calls["lake metadata"]
    assert {"create", "write"} <= calls["log"]
