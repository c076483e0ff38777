"""`hops dq show|check|lint`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from healthcare_ops.entrypoints.cli.failures import show_result
from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, AsOf, Json, State, clock_at, day
from healthcare_ops.entrypoints.cli.output import console, emit_json, table
from healthcare_ops.entrypoints.cli.waiting import DEFAULT_WAIT, Wait, patience_of

if TYPE_CHECKING:
    from healthcare_ops.bootstrap.platform import Platform
    from healthcare_ops.core.errors import OpsError
    from healthcare_ops.pipeline.quality.lint import Verdict

app = typer.Typer(help="Data quality of the lake.", no_args_is_help=True, rich_markup_mode=None)
_LISTED = 50


@app.command("show")
def show(
    run_id: Annotated[str, typer.Argument(help="Run; default: the newest report.")] = "",
    quarantine: Annotated[bool, typer.Option("--quarantine", help="List held records by file and number.")] = False,
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Show a data-quality report, or the records held in quarantine.

    Example: hops dq show
    """
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.operations.reading import newest_report

    with open_platform(state, exclusive=False) as platform:
        report = newest_report(platform, run_id)
        held = _held(platform) if quarantine else []
    if as_json:
        emit_json({**report, **({"quarantine": held} if quarantine else {})})
        return
    _print_report(report)
    if quarantine:
        rows = [[r["source_file"], r["record_no"], r["reason_code"], r["column"], r["feed_id"]] for r in held[:_LISTED]]
        more = f", the first {_LISTED} of them; --json lists all" if len(held) > _LISTED else ""
        title = f"In quarantine, all days: {len(held):,} records{more}"
        console().print(table(title, ["file", "record", "reason", "column", "feed"], rows))


@app.command("check")
def check(
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="First day; default: all days.")] = "",
    last: Annotated[str, typer.Option("--to", metavar="DAY", help="Last day.")] = "",
    state: State = DEFAULT_STATE,
    as_of: AsOf = "",
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Judge silver now and write a report; exit 6 if a `fail` rule is broken.

    Example: hops dq check --from 2025-03-01 --to 2025-03-31
    """
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.core.errors import NotFoundError, QualityError
    from healthcare_ops.core.tables import ENCOUNTERS
    from healthcare_ops.operations import bulk
    from healthcare_ops.operations.reading import newest_report

    start, end = (day(text, option) if text else None for text, option in ((first, "--from"), (last, "--to")))
    with open_platform(state, clock_at(as_of), patience=patience_of(wait)) as platform:
        there = platform.lake.changes(ENCOUNTERS, "").days
        lowest, highest = start or min(there, default=None), end or max(there, default=None)
        if lowest is None or highest is None:
            raise NotFoundError("silver holds no day yet.", next_step="Run `hops load`.")
        days = frozenset(d for d in there if lowest <= d <= highest)
        failure = None
        try:
            bulk.refine(platform, lambda name: None, jobs=("dq_check",), days=days)
        except QualityError as error:
            failure = error
        report = newest_report(platform)
    show_result(report, failure, as_json=as_json, show=_print_report)


@app.command("lint")
def lint(
    files: Annotated[list[Path] | None, typer.Argument(help="Files of rules.", show_default=False)] = None,
    batch: Annotated[
        Path | None, typer.Option("--batch", help="Cases, one JSON object a line; - reads stdin.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Check rules written in DQDL; exit 4 if any cannot be read, or not be judged here.

    A case of --batch is {"id", "text"}; a result is one JSON line {"id", "parses", "compiles", "line", "column",
    "message"}. Whatever is wrong with one, the others are checked all the same.

    Example: hops dq lint rules/silver.encounters.dqdl
    """
    if bool(files) == bool(batch):
        raise typer.BadParameter("name files of rules, or --batch and one file of cases.", param_hint="FILES")
    if batch:
        _lint_cases(batch, as_json=as_json)
    else:
        _lint_files(files or [], as_json=as_json)


def _lint_files(files: Sequence[Path], *, as_json: bool) -> None:
    from healthcare_ops.pipeline.quality.lint import lint as verdict_of

    verdicts = [(file, verdict_of(_text(file))) for file in files]
    bad = [f"{file}:{v.line}:{v.column}: {v.message}" for file, v in verdicts if not v.compiles]

    def show_faults(_: object) -> None:
        for fault in bad or [_sound(len(files))]:
            console().print(fault, markup=False, soft_wrap=True)

    fields = [{"file": str(file), **verdict.to_json()} for file, verdict in verdicts]
    for one in fields:
        del one["id"]
    document = {"files": fields, "invalid": len(bad)}
    failure = _rules_failure(f"{len(bad)} of {len(files)} files of rules cannot be used.") if bad else None
    show_result(document, failure, as_json=as_json, show=show_faults)


def _lint_cases(cases: Path, *, as_json: bool) -> None:
    verdicts = []
    for verdict in _verdicts(cases):
        verdicts.append(verdict)
        if not as_json:
            sys.stdout.write(json.dumps(verdict.to_json()) + "\n")
    bad = [verdict for verdict in verdicts if not verdict.compiles]
    document = {"cases": [verdict.to_json() for verdict in verdicts], "invalid": len(bad)}
    failure = _rules_failure(f"{len(bad)} of {len(verdicts)} cases failed.") if bad else None
    show_result(document, failure, as_json=as_json, show=lambda _: None)


def _verdicts(cases: Path) -> Iterator[Verdict]:
    from healthcare_ops.pipeline.quality.lint import lint_line

    text = sys.stdin.read() if str(cases) == "-" else _text(cases)
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield lint_line(line, number)


def _sound(count: int) -> str:
    return "The file is sound." if count == 1 else f"All {count} files are sound."


def _rules_failure(message: str) -> OpsError:
    from healthcare_ops.core.errors import ConfigError

    return ConfigError(message, next_step="Mend them; docs/dqdl.md shows the language.")


def _text(file: Path) -> str:
    from healthcare_ops.core.errors import ConfigError, NotFoundError

    try:
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {file}.", next_step="Check the path.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8: {error}.", next_step="Save it as UTF-8.") from error


def _held(platform: Platform) -> list[dict[str, Any]]:
    from healthcare_ops.core.tables import QUARANTINE

    rows = platform.lake.read(QUARANTINE).order_by("feed_id", "delivery_seq", "record_no")
    wanted = rows.select("feed_id", "batch_id", "source_file", "record_no", "reason_code", "column", "state")
    held: list[dict[str, Any]] = platform.context.engine.collect(wanted).to_pylist()
    return held


def verdict_text(verdict: str) -> str:
    """Return a report's verdict in words."""
    return "nothing to judge" if verdict == "not_applicable" else verdict


def _print_report(report: Mapping[str, Any]) -> None:
    out = console()
    days = report["days"]
    out.print(
        f"{verdict_text(report['verdict']).upper()}  risk score {report['dq_risk_score']:.2f} of 100  "
        f"({days['first']} to {days['last']}, run {report['run_id']})"
    )
    marks = {"pass": "✓", "warn": "▲", "fail": "✗", "not_applicable": "·"}
    order = list(marks)[::-1]
    rules = sorted(
        report["rules"],
        key=lambda rule: order.index(rule["verdict"]) if rule["verdict"] != "not_applicable" else 9,
    )
    rows = [
        [
            marks[r["verdict"]] + " " + r["verdict"].replace("_", " "),
            r["rule_id"],
            r.get("null_count", r.get("violations")),
            r["checked"],
            r["severity"],
        ]
        for r in rules
    ]
    out.print(table("Rules", ["verdict", "rule", "violations", "checked", "severity"], rows))
    for feed in report["feeds"]:
        out.print(f"{feed['feed_id']} ({feed['owner']}): {feed['diagnosis']}", markup=False)
    out.print(f"report: {report['path']}", markup=False)
