"""`hops dq lint|whatif`, `hops dq rules list|show|adopt|drop`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from healthcare_ops.entrypoints.cli.failures import show_result
from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, By, Json, State, Why
from healthcare_ops.entrypoints.cli.output import console, emit_json, inert, table
from healthcare_ops.entrypoints.cli.waiting import DEFAULT_WAIT, Wait, patience_of

if TYPE_CHECKING:
    from rich.text import Text

    from healthcare_ops.core.errors import OpsError
    from healthcare_ops.core.tables import Table
    from healthcare_ops.operations.what_if import Tried
    from healthcare_ops.pipeline.quality.rules.lint import Verdict

app = typer.Typer(help="The rules of data quality, and the site's own.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_rules(state: State = DEFAULT_STATE, as_json: Json = False) -> None:
    """List the rules in force, by table.

    Example: hops dq rules list
    """
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.operations.rules import rules_in_force

    with open_platform(state, exclusive=False) as platform:
        listed = rules_in_force(platform)
    fields = [
        {
            "rule_id": one.check.rule_id,
            "table": one.check.table,
            "rule": one.check.rule,
            "severity": one.check.severity,
            "is_quarantining": one.check.is_quarantining,
            "version": one.version,
            "owner": "site" if one.is_own else "product",
        }
        for one in listed
    ]
    if as_json:
        emit_json({"rules": fields})
        return
    rows = [
        [
            one.check.rule_id,
            one.check.rule,
            one.check.severity,
            f"{'site' if one.is_own else 'product'} {one.version[:6]}",
        ]
        for one in listed
    ]
    console().print(table("Rules in force", ["rule", "DQDL", "severity", "whose"], rows))


@app.command("show")
def show(
    table_id: Annotated[str, typer.Argument(metavar="TABLE", help="Table: silver.encounters.")],
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Print the rules that count for a table, as a file to begin with.

    Example: hops dq rules show silver.encounters > silver.encounters.dqdl
    """
    from healthcare_ops.operations.rules import text_in_force

    text = text_in_force(state, table_id)
    if as_json:
        emit_json({"table": table_id, "text": text})
    else:
        typer.echo(inert(text, keep="\n"), nl=False)


@app.command("adopt")
def adopt(
    file: Annotated[Path, typer.Argument(help="Rules of a table, named after it: silver.encounters.dqdl.")],
    by: By,
    reason: Why,
    state: State = DEFAULT_STATE,
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Let the site's own rules count for a table, in the place of the product's, from the next run on.

    Example: hops dq rules adopt silver.encounters.dqdl --by Ana --reason triage
    """
    from healthcare_ops.operations import rules

    adopted = rules.adopt(state, file, by=by, reason=reason, patience=patience_of(wait))
    analyzers = sum(check.is_recorded for check in adopted.checks)
    counts = {"rules": len(adopted.checks) - analyzers, "analyzers": analyzers}
    if as_json:
        emit_json({"table": adopted.table, "version": adopted.version, **counts, "by": by})
        return
    out = console()
    out.print(f"{adopted.table}: {_counting(**counts)} from the next run on (version {adopted.version}).", markup=False)
    if any(check.is_quarantining for check in adopted.checks):
        out.print(
            "Some hold rows back: hops backfill --from DAY --to DAY judges days that are built already.", markup=False
        )
    if left_out := rules.replaced(adopted):
        failing = sum(check.severity == "fail" for check in left_out)
        told = "1 rule" if len(left_out) == 1 else f"{len(left_out)} rules"
        out.print(
            f"{told} of the product's no longer count{'s' if len(left_out) == 1 else ''}, {failing} of severity fail.",
            markup=False,
        )
    out.print(f"undo: hops dq rules drop {adopted.table} --by NAME --reason WHY", markup=False)


def _counting(rules: int, analyzers: int) -> str:
    told = "1 analyzer is told" if analyzers == 1 else f"{analyzers} analyzers are told"
    if not rules:
        return f"NO RULE judges it, {told}"
    judged = "1 rule counts" if rules == 1 else f"{rules} rules count"
    return f"{judged}, {told}" if analyzers else judged


@app.command("drop")
def drop(
    table_id: Annotated[str, typer.Argument(metavar="TABLE", help="Table, such as silver.encounters.")],
    by: By,
    reason: Why,
    state: State = DEFAULT_STATE,
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Let the product's rules count again for a table.

    Example: hops dq rules drop silver.encounters --by Ana --reason enough
    """
    from healthcare_ops.operations import rules

    rules.drop(state, table_id, by=by, reason=reason, patience=patience_of(wait))
    steps = [
        "Days that gold waits for are judged by the product's rules with the next run: hops run",
        "Days that gold has taken are judged again with: hops dq check --from DAY --to DAY",
        "What the site's own held comes in with: hops backfill --from DAY --to DAY",
    ]
    if as_json:
        emit_json({"table": table_id, "by": by, "next_steps": steps})
        return
    out = console()
    for line in (f"{table_id}: the product's rules count from the next run on.", *steps):
        out.print(line, markup=False, soft_wrap=True)


def whatif(
    rule: Annotated[str, typer.Argument(help="Rule, as `hops dq rules list` names it.")],
    threshold: Annotated[str, typer.Option(help="A number, or a condition such as '>= 0.9'.")],
    runs: Annotated[int, typer.Option(min=1, max=1000, help="So many past runs.")] = 30,
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Show what a rule would have said in past runs with another threshold.

    Example: hops dq whatif encounters.triage_level.complete --threshold 0.7
    """
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.jobs.quality_reports import runs_spoken_of
    from healthcare_ops.operations.reading import newest_reports, reports_before
    from healthcare_ops.operations.what_if import what_if

    with open_platform(state, exclusive=False) as platform:
        shown = newest_reports(platform, runs)
        earlier = reports_before(platform, shown, runs_spoken_of([threshold]))
        tried = what_if(platform, shown, rule, threshold, earlier=earlier)
    was, would_be = (
        {verdict: sum(verdict == told for told in said) for verdict in ("pass", "warn", "fail")}
        for said in ([one.was for one in tried], [one.would_be for one in tried])
    )
    fields = [vars(one) for one in tried]
    if as_json:
        emit_json({"rule_id": rule, "threshold": threshold, "runs": fields, "was": was, "would_be": would_be})
        return
    out = console()
    rows = [[one.run_id, one.as_of[:16], one.value, one.was, one.would_be, _other(one)] for one in tried]
    columns = ["run", "as of", "measured", "was", "would be"]
    others = [one for one in tried if not one.is_same]
    if not others:
        rows = [row[:-1] for row in rows]
    out.print(table(f"{rule} with {threshold}", [*columns, *(["judged by"] if others else [])], rows))
    said = [f"{name} {was[name]} → {would_be[name]}" for name in was]
    out.print(f"of {len(tried)} runs: {', '.join(said)}", markup=False)
    if others:
        out.print(f"{len(others)} of them were judged by another version of the rule:", markup=False)
    for version, text in sorted({(one.version, one.rule) for one in others}):
        out.print(f"  {version[:6]}: {text}", markup=False, soft_wrap=True)


def _other(tried: Tried) -> str | None:
    return None if tried.is_same else tried.version[:6]


def lint(
    files: Annotated[list[Path] | None, typer.Argument(help="Files of rules.", show_default=False)] = None,
    table_id: Annotated[
        str,
        typer.Option(
            "--table",
            metavar="TABLE",
            help="Table of the rules; default: the one that a file is named after.",
        ),
    ] = "",
    batch: Annotated[
        Path | None, typer.Option("--batch", help="Cases, one JSON object a line; - reads stdin.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Check rules written in DQDL; exit 4 if any cannot be read, or not be judged here.

    Of a file that is named after a table (silver.encounters.dqdl), or with --table, what `hops dq rules adopt` would
    refuse is refused. A case of --batch is {"id", "text"}, and may name its "table"; a result is one JSON line {"id",
    "parses", "compiles", "line", "column", "message"}. Whatever is wrong with one, the others are checked all the same.

    Example: hops dq lint rules/silver.encounters.dqdl
    """
    if bool(files) == bool(batch):
        raise typer.BadParameter("name files of rules, or --batch and one file of cases.", param_hint="FILES")
    from healthcare_ops.operations.rule_lint import table_of_id

    named = table_of_id(table_id) if table_id else None
    if batch:
        _lint_cases(batch, named, as_json=as_json)
    else:
        _lint_files(files or [], named, as_json=as_json)


def _lint_files(files: Sequence[Path], named: Table | None, *, as_json: bool) -> None:
    from healthcare_ops.operations.rule_lint import faults_of, rules_text, table_named
    from healthcare_ops.pipeline.quality.rules.lint import Verdict

    fields, told = [], []
    for file in files:
        of, text = named or table_named(file), rules_text(file)
        faults = faults_of(text, of)
        first = faults[0] if faults else Verdict(None, True, True)
        found = first.to_json()
        del found["id"]
        places = [{name: one.to_json()[name] for name in ("line", "column", "message")} for one in faults]
        fields.append({"file": str(file), "table": of.id if of else None, **found, "faults": places})
        told.append([line for one in faults or [first] for line in _told(file, text, of, one)])
    bad = sum(not one["compiles"] for one in fields)

    def show_verdicts(_: object) -> None:
        out = console()
        for each in told:
            out.print(*each, sep="\n", markup=False, soft_wrap=True)

    failure = _rules_failure(f"{bad} of {len(files)} files of rules cannot be used.") if bad else None
    show_result({"files": fields, "invalid": bad}, failure, as_json=as_json, show=show_verdicts)


def _told(file: Path, text: str, of: Table | None, verdict: Verdict) -> list[str | Text]:
    """Return what to print of a file: a line for people and editors, and where it is at fault."""
    from healthcare_ops.entrypoints.cli.excerpt import excerpt

    if verdict.compiles:
        return [f"{file}: sound for {of.id}." if of else f"{file}: sound; held against no table (--table names one)."]
    line, column = verdict.line or 1, verdict.column or 1
    told: list[str | Text] = [f"{file}:{line}:{column}: {verdict.message}"]
    if text.strip():
        told.append(excerpt(text, line, column))
    if of and verdict.parses:
        told.append(f"       = held against {of.id}")
    return told


def _lint_cases(cases: Path, named: Table | None, *, as_json: bool) -> None:
    verdicts = []
    for verdict in _verdicts(cases, named):
        verdicts.append(verdict)
        if not as_json:
            sys.stdout.write(json.dumps(verdict.to_json()) + "\n")
    bad = [verdict for verdict in verdicts if not verdict.compiles]
    document = {"cases": [verdict.to_json() for verdict in verdicts], "invalid": len(bad)}
    failure = _rules_failure(f"{len(bad)} of {len(verdicts)} cases failed.") if bad else None
    show_result(document, failure, as_json=as_json, show=lambda _: None)


def _verdicts(cases: Path, named: Table | None) -> Iterator[Verdict]:
    from healthcare_ops.operations.rule_lint import lint_line, rules_text

    text = sys.stdin.read() if str(cases) == "-" else rules_text(cases)
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield lint_line(line, number, named)


def _rules_failure(message: str) -> OpsError:
    from healthcare_ops.core.errors import ConfigError

    return ConfigError(message, next_step="Mend them; docs/dqdl.md shows the language.")
