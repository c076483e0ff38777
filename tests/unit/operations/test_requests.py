from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.operations.requests import answer_all

START = {"do": "start", "type": "daily", "run_date": "2026-03-01", "as_of": "", "run_id": ""}


@dataclass
class FakeEngine:
    """Begins whatever it is asked for."""

    objects: LocalObjects
    started: list[str] = field(default_factory=list)

    def start(self, run_type, run_date, *, as_of, run_id):
        self.started.append(run_type)
        return run_id or f"{run_type}-1"


@pytest.fixture
def engine(tmp_path):
    return FakeEngine(LocalObjects(tmp_path))


def answer_to(engine, text):
    engine.objects.write("ops/requests/x.json", text)
    answer_all(engine)
    assert not engine.objects.exists("ops/requests/x.json")
    return json.loads(engine.objects.read("ops/answers/x.json"))


def test_what_is_asked_for_is_begun_and_answered_with_its_name(engine):
    assert answer_to(engine, json.dumps(START).encode()) == {"run_id": "daily-1", "failure": None}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff",
        b"null",
        b"[1, 2]",
        b"{}",
        b"[" * 100_000,
        *(
            json.dumps(START | wrong).encode()
            for wrong in (
                {"do": "nonsense"},
                {"do": ["start"]},
                {"type": "monthly"},
                {"type": 7},
                {"run_date": "soon"},
                {"run_date": 20260301},
                {"as_of": "now"},
                {"run_id": "../../outside"},
                {"run_id": "daily-1/2"},
                {"run_id": "inference-1"},
                {"run_id": ["daily-1"]},
            )
        ),
    ],
)
def test_what_is_no_request_is_refused_and_neither_ends_the_platform_nor_stays(engine, text):
    answer = answer_to(engine, text)

    assert (answer["run_id"], answer["failure"]["kind"]) == ("", "ConfigError")
    assert engine.started == []


def test_a_request_that_is_a_folder_is_no_request(engine, tmp_path):
    (tmp_path / "ops/requests/x.json").mkdir(parents=True)

    answer_all(engine)

    assert engine.started == []
