"""The runbook says what the program does, in both languages; whoever changes one of the two is told.

A fact reads one thing by the sentence it stands in, and compares it with the program. Whatever a runbook names (in
backticks, as a number, a weekday, a section) must be read by some fact, so that nothing in it goes unchecked. Mutants
at the end change each of these, in the text and in what the program says.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest

from healthcare_ops.core.config import Settings
from healthcare_ops.core.errors import Reason
from healthcare_ops.core.runs import RUN_TYPES
from healthcare_ops.core.tables import TABLES
from healthcare_ops.entrypoints.cli.history import Status
from healthcare_ops.entrypoints.reference import DOCUMENTS
from healthcare_ops.jobs import JOB_NAMES, TICK_JOBS
from healthcare_ops.operations.alarms import load_alarms
from healthcare_ops.operations.schedules import schedules_of
from healthcare_ops.pipeline.quality.report.form import schema
from healthcare_ops.pipeline.quality.report.report import REPORTS_PREFIX

ROOT = Path(__file__).parents[2]
ORIGINAL, MIRROR = "runbook.pt-BR.md", "runbook.md"
# Of the Portuguese text, as hospitals have it.
ORIGINAL_SHA256 = "046776c6ba6253f751e49c23c8020f3645138327c2cda9c5e38677717ec15ab0"
# What the runbook names and the program has not: who builds it gives it a value in `program`.
AWAITED = {"dashboard": "HealthcareOps-Main", "archive_days": 30}
_WEEKDAYS = {
    6: ("Sunday", "Domingo"),
    0: ("Monday", "Segunda"),
}
_SIGNS = {
    "GreaterThanThreshold": ">",
    "GreaterThanOrEqualToThreshold": "≥",
    "LessThanThreshold": "<",
}
_TOKEN = re.compile(
    r"`[^`\n]+`|\bINC-\d\d\b|\bMAINTENANCE\b|\bMAPE\b|\*\*Retry\*\*|\b\d\d:\d\d\b|(?<![\w.-])\d+(?:\.\d+)?(?![\w:]|\.\d)"
    r"|\b(?:Sun|Mon|Tues|Wednes|Thurs|Fri|Satur)day\b|\b(?:Domingo|Segunda|Terça|Quarta|Quinta|Sexta|Sábado)\b"
)
_NUMBERING = re.compile(r"^(?:#+ )?\d+\. ", re.MULTILINE)
Program = dict[str, Any]


@cache
def program() -> Program:
    """Return what the runbook speaks of, as the program has it."""
    settings, alarms = Settings(), load_alarms()
    training = next(one for one in schedules_of(settings, ZoneInfo("UTC")) if one.run_type == "weekly_train")
    (machine,) = (one for one in files("healthcare_ops.jobs").iterdir() if one.name.endswith(".asl.json"))
    states = json.loads(machine.read_text())["States"]
    jobs = {
        name: state.get("Parameters", {}).get("JobName", "").removeprefix("${prefix}") for name, state in states.items()
    }
    return AWAITED | {
        "machine": machine.name.removesuffix(".asl.json"),
        "states": list(states),
        "job_of": {name: job for name, job in jobs.items() if job},
        "is_retried": all(state.get("Retry") for state in states.values() if state["Type"] == "Task"),
        "choices": [state["Choices"][0]["StringEquals"] for state in states.values() if state["Type"] == "Choice"],
        "timeout": Reason.TIMEOUT.value,
        "access_denied": "S3 " + re.sub(r"(?<!^)([A-Z])", r" \1", Reason.ACCESS_DENIED),
        "jobs": list(JOB_NAMES),
        "tick_jobs": list(TICK_JOBS),
        "run_types": sorted(RUN_TYPES),
        "failed": [one for one in get_args(Status) if one not in ("RUNNING", "PENDING_REDRIVE", "SUCCEEDED")],
        "rings": {
            one.alarm_name: [one.runbook, one.metric_name, _SIGNS[one.comparison_operator], one.threshold]
            for one in alarms.metric_alarms
        },
        "any_of": {one.alarm_name: one.runbook for one in alarms.composite_alarms},
        "reports": REPORTS_PREFIX,
        "report_fields": sorted(set(re.findall(r'"(\w+_count)": {', json.dumps(schema())))),
        "severities": ["fail"] if '"fail"' in json.dumps(schema()) else [],
        "instants": sorted(
            {
                column.type.partition("(")[0]
                for table in TABLES
                for column in table.columns
                if column.name.endswith("_time")
            }
        ),
        "tables": [table.id for table in TABLES],
        "inference_min": settings.inference_every_min,
        "daily_at": settings.daily_at,
        "train_at": settings.weekly_train_at,
        "train_weekday": training.weekday,
        "log_days": settings.keep_runs_days,
        "commands": re.findall(r"^## (hops .+)$", DOCUMENTS["cli.md"](), re.MULTILINE),
    }


# --- What the runbook says ---

Found = list[Any]


@dataclass(frozen=True)
class Fact:
    """What a sentence says: `pattern` finds it, its groups are what is named; `expected` is what the program has."""

    pattern: str
    expected: Callable[[Program], Found]
    is_part: bool = False
    in_order: bool = True

    def disagreement(self, text: str, known: Program) -> str | None:
        """Return how text and program differ here, None if they do not."""
        found, expected = re.findall(self.pattern, text, re.MULTILINE), self.expected(known)
        if self.is_part:
            is_so = bool(found) and set(found) <= set(expected)
        else:
            is_so = found == expected if self.in_order else sorted(found) == sorted(expected)
        return None if is_so else f"{self.pattern}: the text has {found}, the program {expected}"

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        for match in re.finditer(self.pattern, text, re.MULTILINE):
            yield from (match.span(group) for group in range(1, len(match.groups()) + 1))


def _alarm_of(known: Program, metric: str) -> str:
    return next((name for name, (_, of, _, _) in known["rings"].items() if of == metric), "")


def _state_of(known: Program, job: str) -> str:
    return next((name for name, one in known["job_of"].items() if one == job), "")


def _sections(known: Program) -> Found:
    return sorted({section for section, *_ in known["rings"].values() if section.startswith("INC")})


def _table(known: Program, table: str) -> Found:
    return [table.replace(".", "/")] if table in known["tables"] else []


def _chapters(pt: bool) -> tuple[Fact, ...]:
    """Return what the three chapters say, in Portuguese or in English."""
    or_, if_, every, after = ("ou", "Se", "a cada", "após") if pt else ("or", "If", "every", "after")
    day = 1 if pt else 0
    quality, first = "dq_check", 0
    return (
        Fact(r"\(Job: `(\w+)`\)", lambda p: [p["jobs"][first]]),
        Fact(r"Step Functions \(`(\w+)`\)", lambda p: [p["machine"]]),
        Fact(r"Lambda/Glue every (\d+) min", lambda p: [f"{p['inference_min']}"]),
        Fact(r"Dashboard `([\w-]+)`", lambda p: [p["dashboard"]]),
        Fact(r"^### \[(INC-\d\d)\]", _sections),
        Fact(r"Execution Status `(\w+)`", lambda p: p["failed"][:1]),
        Fact(r"^\*\*S\w+\*\*: Step .* Alarm `(\w+)`", lambda p: [_alarm_of(p, "RunsUnsuccessful")]),
        Fact(
            rf"^\d\. {if_} `(\w+)` (?:falhou|failed):$",
            lambda p: [_state_of(p, p["jobs"][first]), _state_of(p, quality)],
        ),
        Fact(rf"`(\w+)` {or_} `S3", lambda p: [p["timeout"]]),
        Fact(rf"{or_} `(S3 [\w ]+)`", lambda p: [p["access_denied"]]),
        Fact(r"`s3://\.\.\./([\w/]+)`", lambda p: [p["reports"]]),
        Fact(r"(\*\*Retry\*\*)", lambda p: ["**Retry**"] if p["is_retried"] else []),
        Fact(r": Alarme? `(\w+)`", lambda p: [_alarm_of(p, "DQRiskScore")]),
        Fact(rf"{or_} Job `(\w+)` status `FAILED`", lambda p: [job for job in p["job_of"].values() if job == quality]),
        Fact(r"Job `\w+` status `(\w+)`", lambda p: p["failed"][:1]),
        Fact(r"`(\w+)` > threshold", lambda p: p["report_fields"]),
        Fact(
            rf"{if_} `(\w+)` (?:fora do|is out of) range", lambda p: [one for one in p["instants"] if one != "string"]
        ),
        Fact(r"\((MAPE)\)", lambda p: [name.split("-")[1] for name in p["rings"] if name.endswith("-MAPE")]),
        Fact(r"Job [\w ]+ \(`(\w+)`\)|Job \(`(\w+)`\)", lambda p: _both(p["run_types"][-1], pt)),
        Fact(r"(?:sucesso no|successfully on) (\w+)\.$", lambda p: [_WEEKDAYS[p["train_weekday"]][day]]),
        Fact(r"\(`(gold/\w+)`\)", lambda p: _table(p, "gold.features")),
        Fact(r'`(type="\w+")`', lambda p: [f'type="{p["run_types"][-1]}"']),
        Fact(rf"OpenAI .* {every} (\d+) (?:dias|days)\.", lambda p: [f"{p['rings']['SecretAgeHigh'][3]:g}"]),
        Fact(r"CloudWatch expi\w+ em (\d+) dias|Logs expiring in (\d+) days", lambda p: _both(f"{p['log_days']}", pt)),
        Fact(r"`(raw/)`", lambda p: ["raw/"]),
        Fact(rf"Glacier {after} (\d+) (?:dias|days)", lambda p: [f"{p['archive_days']}"]),
    )


def _both(value: str, is_first: bool) -> Found:
    """Return what a pattern of two alternatives finds."""
    return [(value, "") if is_first else ("", value)]


def _appendix() -> tuple[Fact, ...]:
    """Return what the English page says beyond the chapters."""
    return (
        Fact(r"`(hops [a-z]+(?: [a-z]+)?)(?: --[^`]*)?`", lambda p: p["commands"], is_part=True),
        Fact(r"`hops run (--type \w+)`", lambda p: [f"--type {p['run_types'][-1]}"]),
        Fact(r"^### The states of `(\w+)`", lambda p: [p["machine"]]),
        Fact(r"^\| `(\w+)` \| (?:`\w+`|–) \|", lambda p: p["states"]),
        Fact(r"^\| `\w+` \| (`\w+`|–) \|", lambda p: [_told(p["job_of"].get(state)) for state in p["states"]]),
        Fact(r"^\| `\w+` \| `(\w+)` \|", lambda p: p["jobs"]),
        Fact(r"`(\w+)` goes to the next state", lambda p: p["choices"]),
        Fact(r"micro-batch, every (\d+) minutes", lambda p: [f"{p['inference_min']}"]),
        Fact(r"(?:minutes: |, )(`\w+`)(?=, `|\s*\|)", lambda p: [f"`{job}`" for job in p["tick_jobs"]]),
        Fact(r"of severity `(\w+)`", lambda p: p["severities"]),
        Fact(r"^`(\w+)` runs at", lambda p: p["run_types"][:1]),
        Fact(r"runs at (\d\d:\d\d)", lambda p: [p["daily_at"]]),
        Fact(r"at [\d:]+, `(\w+)` on", lambda p: p["run_types"][-1:]),
        Fact(r"` on (\w+) at", lambda p: [_WEEKDAYS[p["train_weekday"]][0]]),
        Fact(r"day at (\d\d:\d\d)", lambda p: [p["train_at"]]),
        Fact(r"; `(\w+)` every \d+ minutes\.", lambda p: p["run_types"][1:2]),
        Fact(r"; `\w+` every (\d+) minutes\.", lambda p: [f"{p['inference_min']}"]),
        Fact(r"^`(\w+)`, `(\w+)` or `(\w+)` counts", lambda p: [tuple(p["failed"])]),
        Fact(
            r"^\| `([\w-]+)` \| (INC-\d\d|MAINTENANCE) \| `(\w+)` ([≥><]) ([\d.]+) \|",
            lambda p: [(name, *rule, f"{limit:g}") for name, (*rule, limit) in p["rings"].items()],
            in_order=False,
        ),
        Fact(r"^\| `(\w+)` \| (INC-\d\d) \| any", lambda p: list(p["any_of"].items())),
    )


def _told(job: str | None) -> str:
    return f"`{job}`" if job else "–"


FACTS = {ORIGINAL: _chapters(pt=True), MIRROR: (*_chapters(pt=False), *_appendix())}


def _text(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def _tokens(text: str) -> list[tuple[int, int]]:
    """Return where the text names something; the numbers of chapters and steps name nothing."""
    numbering = [match.span() for match in _NUMBERING.finditer(text)]
    spans = [match.span() for match in _TOKEN.finditer(text)]
    return [span for span in spans if not any(start <= span[0] < end for start, end in numbering)]


def _disagreements(name: str, text: str, known: Program) -> list[str]:
    """Return what of a runbook the program does not bear out, and what it names that no fact reads."""
    told = [found for fact in FACTS[name] if (found := fact.disagreement(text, known))]
    read = [span for fact in FACTS[name] for span in fact.spans(text)]
    unread = [text[a:b] for a, b in _tokens(text) if not any(a < end and start < b for start, end in read)]
    return told + [f"{token} is read by no fact" for token in unread]


@pytest.mark.parametrize("name", FACTS)
def test_a_runbook_says_what_the_program_does(name):
    assert _disagreements(name, _text(name), program()) == []


def test_the_portuguese_runbook_is_word_for_word_what_hospitals_have():
    assert hashlib.sha256((ROOT / "docs" / ORIGINAL).read_bytes()).hexdigest() == ORIGINAL_SHA256


def test_the_english_runbook_mirrors_the_portuguese_one_line_for_line():
    chapters = _text(MIRROR).partition("\n## 4.")[0].rstrip("\n").split("\n")
    original = _text(ORIGINAL).rstrip("\n").split("\n")

    marks = re.compile(r"^ *(?:#+|\d+\.|-)?|`[^`]+`|\d+|\[[\w-]+\]")

    assert [marks.findall(line) for line in chapters] == [marks.findall(line) for line in original]


def test_the_program_has_nothing_yet_of_what_is_awaited():
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))

    assert AWAITED["dashboard"] not in source
    assert [name for name in Settings.model_fields if "archive" in name or "raw" in name] == []


def _changed(token: str) -> str:
    """Return another token of the same kind."""
    if token.replace(".", "").isdigit():
        return f"{float(token) + 1:g}"
    if re.fullmatch(r"\d\d:\d\d", token):
        return "23:59"
    if token in sum(_WEEKDAYS.values(), ()):
        return "Monday" if token.endswith("day") else "Segunda"
    if token.startswith("INC-"):
        return "INC-09"
    return token[:-1] + "s" + token[-1]


@pytest.mark.parametrize(
    ("name", "span"),
    [pytest.param(name, span, id=f"{name}-{span[0]}") for name in FACTS for span in _tokens(_text(name))],
)
def test_whatever_changes_in_a_runbook_is_noticed(name, span):
    text = _text(name)
    start, end = span

    mutant = text[:start] + _changed(text[start:end]) + text[end:]

    assert _disagreements(name, mutant, program()) != []


def _mutants(known: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value that the program has."""
    if isinstance(known, dict):
        for key, value in known.items():
            yield from _mutants(value, (*path, key))
    elif isinstance(known, list):
        for number, value in enumerate(known):
            yield from _mutants(value, (*path, number))
    else:
        yield path


def _with_another(known: Program, path: tuple[Any, ...]) -> Program:
    mutant = copy.deepcopy(known)
    place = mutant
    for key in path[:-1]:
        place = place[key]
    value = place[path[-1]]
    if isinstance(value, bool):
        place[path[-1]] = not value
    elif isinstance(value, int | float):
        place[path[-1]] = 0 if value == 6 else value + 1
    else:
        place[path[-1]] = _changed(value) if value[:1].isdigit() else f"{value}X"
    return mutant


# A command or a table that no runbook names may change without it.
_NAMED_ELSEWHERE = {"commands", "tables"}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=".".join(map(str, path)))
        for path in _mutants(program())
        if path[0] not in _NAMED_ELSEWHERE
    ],
)
def test_whatever_changes_in_the_program_is_noticed(path):
    mutant = _with_another(program(), path)

    assert any(_disagreements(name, _text(name), mutant) for name in FACTS)
