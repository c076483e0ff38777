"""`hops dq show|explain|history|notice|check`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from healthcare_ops.entrypoints.cli import acceptance, held, quality_rules, quarantine
from healthcare_ops.entrypoints.cli.failures import show_result, warn
from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, AsOf, Json, Lang, State, clock_at, day
from healthcare_ops.entrypoints.cli.output import console, emit_json, steps, table
from healthcare_ops.entrypoints.cli.quality_findings import counted, explanation, print_explanation, sparkline
from healthcare_ops.entrypoints.cli.quality_report import print_report, print_rules
from healthcare_ops.entrypoints.cli.waiting import DEFAULT_WAIT, Wait, patience_of

if TYPE_CHECKING:
    from healthcare_ops.core.errors import QualityError
    from healthcare_ops.pipeline.quality.evaluate import Finding

app = typer.Typer(help="Data quality of the lake.", no_args_is_help=True, rich_markup_mode=None)
RunId = Annotated[str, typer.Argument(help="Run; default: the newest report.")]


@app.command("show")
def show(
    run_id: RunId = "",
    html: Annotated[
        Path | None, typer.Option("--html", help="Write the report as a page to this file.", show_default=False)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Show rules that passed and findings that follow, too.")] = False,
    language: Lang = "en",
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Show a data-quality report: what broke and what follows from it, the gravest first.

    Example: hops dq show --lang pt-BR --html quality.html
    """
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.entrypoints.page.texts import Words
    from healthcare_ops.operations.acceptance import with_acceptances
    from healthcare_ops.operations.reading import later_decision, newest_report, told_by_cause
    from healthcare_ops.operations.stewards import beside

    with open_platform(state, exclusive=False) as platform:
        report = told_by_cause(platform, newest_report(platform, run_id))
        report["later_decision"] = None if run_id else later_decision(platform, report)
        report = with_acceptances(platform, report)
        report["assignments"] = [vars(one) for one in beside(platform, report)]
    if html:
        from healthcare_ops.entrypoints.page.quality import write_quality_page

        write_quality_page(report, html, language=language)
    if as_json:
        emit_json(report)
        return
    words = Words(language)
    print_report(report, words, every=every)
    if html:
        console().print(words("page_is", path=str(html)), markup=False)


@app.command("explain")
def explain(
    rule: Annotated[str, typer.Argument(help="Rule, as the report names it; default: the gravest.")] = "",
    run_id: Annotated[str, typer.Option("--run", help="Run; default: the newest report.")] = "",
    language: Lang = "en",
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Explain a finding: what the rule says, what it measured, where, since when, and what to do; or a reason code.

    Example: hops dq explain encounters.triage_level.complete
    """
    from healthcare_ops.entrypoints.cli.quality_findings import code_explained

    if told := code_explained(rule, "en" if as_json else language):
        if as_json:
            emit_json(told)
        else:
            for line in told.values():
                console().print(line, markup=False, soft_wrap=True)
        return
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.core.errors import NotFoundError
    from healthcare_ops.entrypoints.page.texts import Words
    from healthcare_ops.operations.acceptance import with_acceptances
    from healthcare_ops.operations.reading import findings_of, newest_report, told_by_cause, which_of

    with open_platform(state, exclusive=False) as platform:
        report = with_acceptances(platform, told_by_cause(platform, newest_report(platform, run_id)))
    sections = {section["rule_id"]: section for section in findings_of(report)}
    # Records held among very many add less than is shown.
    points_of = {finding: points for finding, points in report["contributions"].items() if points}
    gravest = next((cause["cause_id"] for cause in report["causes"]), "")
    name = rule or gravest or max(points_of, key=lambda finding: points_of[finding], default="")
    is_of_held = name == "quarantine" and any(feed["counts"]["quarantined"] for feed in report["feeds"])
    if name not in sections and not is_of_held:
        raise NotFoundError(
            f"in the days of run {report['run_id']} no record is held."
            if rule == "quarantine"
            else f"run {report['run_id']} judged no rule {rule!r}."
            if rule
            else "the job ended before all rules were judged."
            if report["error"]
            else "no rule is broken.",
            next_step=which_of(rule, sections, "`hops dq show` lists the rules."),
        )
    points = points_of.get(name, 0.0)
    words = Words("en" if as_json else language)
    section = explanation(report, sections[name], words) if name in sections else {}
    if as_json:
        emit_json({"run_id": report["run_id"], "contribution": points, "rule_id": name, **section})
    else:
        print_explanation(report, name, section, points, words)


@app.command("history")
def history(
    rule: Annotated[str, typer.Argument(help="Rule; default: the whole report.")] = "",
    runs: Annotated[int, typer.Option(min=1, max=1000, help="So many past runs.")] = 30,
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Show scores and verdicts of past runs, or what one rule measured in them, with how many days each judged.

    A report is made by a run (or a load), by a decision about held records, or by `hops dq check`.

    Example: hops dq history encounters.triage_level.complete
    """
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.core.errors import NotFoundError
    from healthcare_ops.operations.reading import findings_of, newest_reports, told_of

    with open_platform(state, exclusive=False) as platform:
        reports = newest_reports(platform, runs)
    if rule:
        rows = [_measured(report, section) for report, section in told_of(rule, reports)]
        columns = ["run_id", "as_of", "verdict", "measured", "broken", "checked", "days", "made_by"]
    else:
        rows = [_scored(report, findings_of(report)) for report in reports]
        columns = ["run_id", "as_of", "verdict", "score", "failed", "warned", "days", "made_by"]
    if not rows:
        raise NotFoundError("there is no report of today's form.", next_step="Run `hops dq check`.")
    if as_json:
        emit_json({"rule_id": rule or None, "runs": [dict(zip(columns, row, strict=True)) for row in rows]})
        return
    out = console()
    shown = [[run_id, as_of[:16], *others] for run_id, as_of, *others in rows]
    titles = [name.replace("_", " ") for name in columns[2:]]
    out.print(table(rule or "Data quality", ["run", "as of", *titles], shown))
    if len(rows) > 1:
        out.print(f"oldest {sparkline([row[3] for row in reversed(rows)])} newest", markup=False)


@app.command("notice")
def notice(
    feed: Annotated[str, typer.Argument(help="Feed whose supplier is written to.")],
    run_id: Annotated[str, typer.Option("--run", help="Run; default: the newest report.")] = "",
    language: Lang = "en",
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Print the message to a feed's contact about what is missing or wrong; no patient's data, not sent.

    Example: hops dq notice visits --lang pt-BR
    """
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.core.errors import NotFoundError
    from healthcare_ops.entrypoints.page.texts import Words
    from healthcare_ops.operations.acceptance import with_acceptances
    from healthcare_ops.operations.reading import newest_report, told_by_cause

    with open_platform(state, exclusive=False) as platform:
        report = with_acceptances(platform, told_by_cause(platform, newest_report(platform, run_id)))
    found = next((section.get("notice") for section in report["feeds"] if section["feed_id"] == feed), None)
    feeds = [section["feed_id"] for section in report["feeds"]]
    words = Words("en" if as_json else language)
    if feed not in feeds:
        raise NotFoundError(
            words("no_such_feed", run=report["run_id"], feed=repr(feed), feeds=", ".join(feeds) or "–"),
            next_step=words("name_a_feed"),
        )
    if found is None:
        raise NotFoundError(
            words("nothing_to_write", run=report["run_id"], feed=repr(feed)), next_step=words("show_lists_feeds")
        )
    if as_json:
        emit_json({"run_id": report["run_id"], "feed_id": feed, **found})
        return
    head = f"{words('to')}: {found['to']}\n{words('subject')}: {found['subject']}"
    message = f"{head}\n\n{found['text'][language]}"
    for line in message.splitlines():
        console().print(line, markup=False, soft_wrap=True)


@app.command("check")
def check(
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="First day; default: all days.")] = "",
    last: Annotated[str, typer.Option("--to", metavar="DAY", help="Last day.")] = "",
    rules: Annotated[
        Path | None, typer.Option("--rules", help="Judge a file by these rules, and no lake.", show_default=False)
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="That file: Parquet, CSV or TSV.", show_default=False)
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option("--reference", metavar="ALIAS=FILE", help="A file to compare with.", show_default=False),
    ] = None,
    state: State = DEFAULT_STATE,
    as_of: AsOf = "",
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Judge silver now and write a report, or judge any file by any rules; exit 6 if a `fail` rule is broken.

    Days of which every record is held are judged as well; a warning names those of which there is none.

    Example: hops dq check --rules stays.dqdl --data stays.parquet
    """
    if rules or data or reference:
        if not (rules and data) or first or last:
            raise typer.BadParameter("--rules and --data go together, and with no days.", param_hint="--rules")
        _check_file(rules, data, _references(reference or []), as_of, as_json=as_json)
    else:
        _check_lake(first, last, state, as_of, wait, as_json=as_json)


app.command("lint")(quality_rules.lint)
app.command("whatif")(quality_rules.whatif)
app.add_typer(quality_rules.app, name="rules")
for _command in (
    held.quarantine,
    quarantine.release,
    quarantine.reject,
    quarantine.hold,
    acceptance.accept,
    acceptance.withdraw,
    quarantine.assign,
    quarantine.judge,
):
    app.command()(_command)


def _references(given: Sequence[str]) -> dict[str, Path]:
    found = {}
    for text in given:
        alias, is_given, path = text.partition("=")
        if not is_given or not alias or not path:
            raise typer.BadParameter(f"{text!r} is not ALIAS=FILE.", param_hint="--reference")
        if alias in found or alias == "primary":
            raise typer.BadParameter(f"{alias!r} names another file already.", param_hint="--reference")
        found[alias] = Path(path)
    return found


def _check_file(rules: Path, data: Path, references: Mapping[str, Path], as_of: str, *, as_json: bool) -> None:
    from healthcare_ops.operations.rule_check import check_file, failure_of

    with steps("judging") as advance:
        advance(data.name)
        findings = check_file(rules, data, references, clock_at(as_of).now())
    document = {"data": str(data), "rules_file": str(rules), "rules": [_plain(finding) for finding in findings]}
    show_result(document, failure_of(findings, data), as_json=as_json, show=print_rules)


def _plain(finding: Finding) -> dict[str, Any]:
    from healthcare_ops.pipeline.quality.report.report import fault_section

    check = finding.check
    position = check.node.position
    return {
        "rule_id": check.rule_id,
        "rule": check.rule,
        "line": position.line,
        "severity": check.severity,
        "verdict": finding.verdict,
        "checked": finding.checked,
        "violations": finding.violations,
        "values": [measured.value for measured in finding.measured],
        "thresholds": [measured.limit for measured in finding.measured],
        **fault_section(finding),
    }


def _check_lake(first: str, last: str, state: Path, as_of: str, wait: float, *, as_json: bool) -> None:
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.core.days import days_between
    from healthcare_ops.core.errors import NotFoundError, QualityError
    from healthcare_ops.operations import bulk
    from healthcare_ops.operations.cautions import days_without_records
    from healthcare_ops.operations.reading import report_keys, report_since
    from healthcare_ops.pipeline.quality.report.past import CHECK

    start, end = (day(text, option) if text else None for text, option in ((first, "--from"), (last, "--to")))
    if start and end and end < start:
        raise typer.BadParameter(f"{last} is before {first}.", param_hint="--to")
    with open_platform(state, clock_at(as_of), patience=patience_of(wait)) as platform:
        there = bulk.days_with_records(platform)
        lowest, highest = start or min(there, default=None), end or max(there, default=None)
        if lowest is None or highest is None:
            raise NotFoundError("silver holds no day yet.", next_step="Run `hops load`.")
        days = frozenset(d for d in there if lowest <= d <= highest)
        if not days:
            raise NotFoundError(
                f"silver holds no day from {lowest} to {highest}.",
                next_step=f"Name days from {min(there)} to {max(there)}.",
            )
        before = report_keys(platform)
        failure: QualityError | None = None
        try:
            run_id = bulk.new_run_id(platform.context.clock.now(), CHECK)
            bulk.refine(platform, lambda name: None, jobs=("dq_check",), days=days, run_id=run_id)
        except QualityError as error:
            failure = error
        report = report_since(platform, before)
        asked = days_between(lowest, highest) if start or end else ()
        cautions = [caution.document for caution in days_without_records(platform, asked)]
    if report is None:
        raise failure or NotFoundError("nothing was judged.", next_step="Run `hops load`.")
    if not as_json:
        warn(cautions)
    show_result({**report, "warnings": cautions}, failure, as_json=as_json, show=print_report)


def _measured(report: Mapping[str, Any], section: Mapping[str, Any]) -> list[Any]:
    value = next(iter(section.get("values", ())), section.get("observed"))
    figures = [section["verdict"], value, counted(section), section.get("checked")]
    return [report["run_id"], report["as_of"], *figures, *_extent(report)]


def _scored(report: Mapping[str, Any], sections: Sequence[Mapping[str, Any]]) -> list[Any]:
    verdicts = [section["verdict"] for section in sections]
    counts = [verdicts.count("fail"), verdicts.count("warn")]
    return [report["run_id"], report["as_of"], report["verdict"], report["dq_risk_score"], *counts, *_extent(report)]


def _extent(report: Mapping[str, Any]) -> list[Any]:
    """Return how many days a report judged, and what made it."""
    from healthcare_ops.pipeline.quality.report.past import made_by

    return [report["days"]["count"], made_by(report["run_id"])]
