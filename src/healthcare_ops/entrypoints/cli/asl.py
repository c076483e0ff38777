"""`hops asl validate|graph|test`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from healthcare_ops.entrypoints.cli.options import Json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from healthcare_ops.orchestrator.rehearsal import Result

app = typer.Typer(
    help="State machines in the Amazon States Language (JSONPath).", no_args_is_help=True, rich_markup_mode=None
)
Definition = Annotated[Path, typer.Argument(help="Definition: a JSON file.", show_default=False)]
Prefix = Annotated[str, typer.Option("--prefix", help="What ${prefix} becomes, if the file is a Terraform template.")]


@app.command("validate")
def validate(file: Definition, prefix: Prefix = "", as_json: Json = False) -> None:
    """Check a definition and tell everything that is wrong with it; exit 4 if anything is.

    Example: hops asl validate orchestrator.asl.json
    """
    from healthcare_ops.core.errors import ConfigError
    from healthcare_ops.entrypoints.cli.failures import show_result
    from healthcare_ops.entrypoints.cli.output import console, table
    from healthcare_ops.orchestrator.asl import findings

    found = findings(_text(file, prefix))
    rows = [[finding.state or "–", finding.message] for finding in found]
    document = {"file": str(file), "findings": [{"state": f.state or None, "message": f.message} for f in found]}

    def show(_: object) -> None:
        if rows:
            console().print(table(f"Findings in {file.name}", ["state", "finding"], rows))
        else:
            console().print(f"{file.name} is a sound definition.")

    failure = None
    if found:
        count = "1 finding" if len(found) == 1 else f"{len(found)} findings"
        failure = ConfigError(f"{file.name}: {count}.", next_step="Mend the definition.")
    show_result(document, failure, as_json=as_json, show=show)


@app.command("graph")
def graph(file: Definition, prefix: Prefix = "", as_json: Json = False) -> None:
    """Draw a state machine as plain text: the usual way down, what leaves it at the side.

    Example: hops asl graph orchestrator.asl.json
    """
    from dataclasses import asdict

    from healthcare_ops.entrypoints.cli.output import emit_json, inert
    from healthcare_ops.orchestrator.asl import load
    from healthcare_ops.orchestrator.graph import all_states, draw, edges

    machine = load(_text(file, prefix))
    if not as_json:
        sys.stdout.write("".join(f"{inert(line)}\n" for line in draw(machine)))
        return
    states = dict(all_states(machine))
    emit_json(
        {
            "start_at": machine.start_at,
            "states": [{"name": name, "type": state["Type"]} for name, state in states.items()],
            "edges": [asdict(edge) for name, state in states.items() for edge in edges(name, state)],
        }
    )


@app.command("test")
def run_cases(
    cases: Annotated[Path, typer.Argument(help="Cases, one JSON object a line; - reads stdin.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Run cases on a virtual clock, with mocks for their tasks; one JSON line of result each.

    A case is {"id", "definition", "input", "mocks", "context"}; mocks hold, by resource, a list of
    {"return": ...} or {"throw": {"Error": ..., "Cause": ...}}, each with "seconds" if it takes time; the last goes on.
    A result is {"id", "status", "output", "error", "cause", "states"}. A case that cannot run is INVALID; the others
    run all the same, and the exit code is 4.

    Example: hops asl test cases.jsonl
    """
    from healthcare_ops.core.errors import ConfigError
    from healthcare_ops.entrypoints.cli.failures import show_result

    results: list[Result] = []
    for result in _results(cases):
        results.append(result)
        if not as_json:
            sys.stdout.write(json.dumps(result.to_json()) + "\n")
            sys.stdout.flush()
    bad = [result for result in results if not result.could_run]
    failure = None
    if bad:
        what = f"{len(bad)} of {len(results)} cases could not run; the first: {bad[0].cause}"
        failure = ConfigError(what, next_step="Mend them: `hops asl test --help` shows what a case is.")
    document = {"cases": [result.to_json() for result in results], "invalid": len(bad)}
    show_result(document, failure, as_json=as_json, show=lambda _: None)


def _results(cases: Path) -> Iterator[Result]:
    from healthcare_ops.orchestrator.rehearsal import rehearse_line

    text = sys.stdin.read() if str(cases) == "-" else _text(cases)
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield rehearse_line(line, number)


def _text(file: Path, prefix: str = "") -> str:
    from healthcare_ops.core.errors import ConfigError, NotFoundError

    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {file}.", next_step="Check the path.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8: {error}.", next_step="Save it as UTF-8.") from error
    return text.replace("${prefix}", prefix)
