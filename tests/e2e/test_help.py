from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from importlib.resources import files
from typing import Any

import pytest
import typer

from e2e.command import PROGRAM, environment
from e2e.deliveries import NOW
from healthcare_ops import __version__
from healthcare_ops.entrypoints.cli.app import app

HEAVY = (
    "cryptography",
    "duckdb",
    "holidays",
    "ibis",
    "jinja2",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "pyiceberg",
    "rich",
    "sqlalchemy",
    "sqlglot",
)
RULES = files("healthcare_ops.pipeline.quality.rules") / "shipped"
# Their result is a JSON document of its own, with or without the option.
SCHEMAS = {("feed", "schema"), ("generate", "schema"), ("notify", "schema"), ("site", "schema")}


def leaves(command: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Return every command that does something, by its words."""
    if not hasattr(command, "commands"):
        return {path: command}
    found: dict[tuple[str, ...], Any] = {}
    for name, child in command.commands.items():
        found |= leaves(child, (*path, name))
    return found


COMMANDS = leaves(typer.main.get_command(app))
every_command = pytest.mark.parametrize("words", COMMANDS, ids=" ".join)


def options_of(words: tuple[str, ...]) -> set[str]:
    return {option for parameter in COMMANDS[words].params for option in parameter.opts if option.startswith("--")}


@every_command
def test_help_gives_an_example_that_the_command_itself_understands(hops, words):
    outcome = hops(*words, "--help")

    (example,) = [line.partition("Example: ")[2] for line in outcome.out.splitlines() if "Example: " in line]
    told = shlex.split(example)
    assert (outcome.exit_code, outcome.err) == (0, "")
    assert tuple(told[: len(words) + 1]) == ("hops", *words)
    assert {word for word in told if word.startswith("--")} <= options_of(words)


@every_command
def test_a_command_with_results_prints_them_for_machines_too(words):
    assert ("--json" in options_of(words)) == (words not in SCHEMAS)


def test_what_is_held_is_listed_by_one_command_that_stands_before_the_decisions_about_it():
    names = [words[1] for words in COMMANDS if words[0] == "dq"]

    assert "--quarantine" not in options_of(("dq", "show"))
    assert names.index("quarantine") == names.index("release") - 1


@pytest.mark.parametrize("rules", sorted(RULES.iterdir()), ids=lambda path: path.name)
def test_a_shipped_rule_sends_people_to_commands_and_options_that_there_are(rules):
    told = re.findall(r"`hops ([^`]+)`", rules.read_text(encoding="utf-8"))

    for line in told:
        words = tuple(word for word in line.split() if not word.startswith("-"))
        assert {word for word in line.split() if word.startswith("--")} <= options_of(words)


# How each command is run on the loaded hospital. `backfill`, `demo`, `generate` and runs have tests of
# their own.
ARGUMENTS: dict[tuple[str, ...], str] = {
    ("alarms",): "--state {state}",
    ("asl", "graph"): "{machine}",
    ("asl", "test"): "{cases}",
    ("asl", "validate"): "{machine}",
    ("audit", "show"): "--state {state}",
    ("audit", "verify"): "--state {state}",
    ("doctor",): "--state {state}",
    ("drift",): "--state {state}",
    ("drill",): "--list",
    ("dq", "check"): "--state {state} --as-of {now}",
    ("dq", "history"): "--state {state}",
    ("dq", "quarantine"): "--state {state}",
    ("dq", "rules", "list"): "--state {state}",
    ("dq", "show"): "--state {state}",
    ("evaluate",): "--state {state}",
    ("export",): "silver.encounters --out {folder}/encounters.csv --state {state}",
    ("feed", "check"): "{feed} {visits} --site {site}",
    ("generate", "calibrate"): "--state {state} --out {folder}/parameters.toml",
    ("generate", "run"): "--site {site} --from 2026-03-01 --to 2026-03-01 --out {folder}/synthetic",
    ("incidents", "list"): "--state {state}",
    ("ingest",): "{visits} --feed visits --state {state}",
    ("init",): "--site {site} --feed {feed} --state {state}",
    ("load",): "{visits} --feed {feed} --state {state}",
    ("metrics",): "--state {state}",
    ("models", "list"): "--state {state}",
    ("models", "show"): "--state {state}",
    ("models", "verify"): "--state {state}",
    ("notify", "list"): "--state {state}",
    ("notify", "retry"): "--state {state}",
    ("predict",): "--state {state}",
    ("regressors", "list"): "--state {state}",
    ("report",): "--out {folder}/page.html --state {state}",
    ("status",): "--state {state}",
    ("version",): "",
}
# The others end well. Two visits would be held; the hospital has too few days to calibrate or learn from, and no model.
EXIT_CODES = {
    ("feed", "check"): 6,
    ("drift",): 3,
    ("evaluate",): 5,
    ("generate", "calibrate"): 5,
    ("models", "show"): 3,
    ("predict",): 3,
}
RUNS = {
    *((name,) for name in ("redrive", "run", "schedule", "simulate", "up")),
    *(("runs", name) for name in ("graph", "list", "logs", "resume", "show", "stop")),
}
# What a finding or a held record is needed for, or a file of rules.
QUALITY = {
    *(("dq", name) for name in ("accept", "assign", "explain", "hold", "judge", "lint", "notice", "reject", "release")),
    *(("dq", name) for name in ("whatif", "withdraw")),
    *(("dq", "rules", name) for name in ("adopt", "drop", "show")),
}
MODELS = {("models", name) for name in ("promote", "rollback")}
# What a channel is needed for, or the standard input.
NOTIFICATIONS = {("notify", "test"), ("secrets", "set")}
# What something that is wrong is needed for.
INCIDENTS = {("incidents", name) for name in ("ack", "approve", "postmortem", "reopen", "resolve", "show")} | {
    ("complaint",)
}
REGRESSORS = {("regressors", name) for name in ("add", "drop")}
TESTED_ELSEWHERE = {("backfill",), ("demo",), ("generate", "calibrate"), ("generate", "run")} | RUNS | QUALITY | MODELS
TESTED_ELSEWHERE |= NOTIFICATIONS | REGRESSORS | INCIDENTS


def test_no_command_is_left_out_here():
    assert COMMANDS.keys() == ARGUMENTS.keys() | TESTED_ELSEWHERE | SCHEMAS


@pytest.mark.parametrize("words", ARGUMENTS, ids=" ".join)
def test_json_is_one_document_on_stdout_and_words_for_people_are_not(hops, own_loaded, tmp_path, words):
    places = {
        "state": own_loaded.state,
        "site": own_loaded.site,
        "feed": own_loaded.feed,
        "visits": own_loaded.visits,
        "folder": tmp_path,
        "now": NOW,
        "machine": files("healthcare_ops.jobs").joinpath("orchestrator.asl.json"),
        "cases": tmp_path / "cases.jsonl",
    }
    definition = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
    (tmp_path / "cases.jsonl").write_text(json.dumps({"id": 1, "definition": definition}))
    arguments = [word.format(**places) for word in ARGUMENTS[words].split()]

    outcome = hops(*words, *arguments, "--json")

    # The document is all of stdout, or `document` would not read it; stderr has words only where something failed.
    exit_code = EXIT_CODES.get(words, 0)
    assert outcome.exit_code == exit_code, outcome.err
    # A report of data quality says itself, with null, that no error ended its job.
    assert (outcome.document.get("error") or {}).get("exit_code", 0) == exit_code
    assert (outcome.err != "") == (exit_code != 0)


def test_without_a_command_there_is_help(hops):
    outcome = hops()

    assert outcome.exit_code == 2
    assert "demo" in outcome.out + outcome.err


def test_the_version_is_the_package_s(hops):
    assert hops("version").out == f"hops {__version__}\n"
    assert hops("version", "--json").document["version"] == __version__


def test_help_loads_nothing_heavy():
    program = f"""
import json, sys
from healthcare_ops.entrypoints.cli import main
loaded = []
for sys.argv in {[["hops", "--help"], *(["hops", *words, "--help"] for words in COMMANDS)]!r}:
    try:
        main()
    except SystemExit as ended:
        assert not ended.code
    loaded.append([name for name in {HEAVY!r} if name in sys.modules])
print(json.dumps([loaded[0], loaded[-1]]))
"""

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    of_hops, of_its_commands = json.loads(ended.stdout.splitlines()[-1])
    assert of_hops == []
    assert of_its_commands == ["pydantic"]  # by Typer itself, where a command has options


def test_the_installed_program_is_the_command():
    ended = subprocess.run(
        [PROGRAM, "version", "--json"], capture_output=True, text=True, check=True, env=environment()
    )

    assert json.loads(ended.stdout)["version"] == __version__
