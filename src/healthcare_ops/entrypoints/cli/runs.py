"""`hops run`, `redrive`, `status`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from healthcare_ops.core.runs import RUNNING, SUCCEEDED, RunRecord, StateRecord
from healthcare_ops.entrypoints.cli.failures import say, show_result, warn
from healthcare_ops.entrypoints.cli.options import (
    DEFAULT_STATE,
    AsOf,
    Json,
    Run,
    State,
    clock_at,
    day,
    instant,
    objects_of,
)
from healthcare_ops.entrypoints.cli.output import console, emit_json, steps, table

if TYPE_CHECKING:
    from healthcare_ops.bootstrap.platform import Platform
    from healthcare_ops.ports import ObjectStore


def run(
    run_type: Annotated[
        Literal["daily", "inference", "weekly_train"], typer.Option("--type", help="Kind of run.")
    ] = "daily",
    run_date: Annotated[
        str, typer.Option("--date", metavar="DAY", help="Operational day; default: the last closed one.")
    ] = "",
    state: State = DEFAULT_STATE,
    as_of: AsOf = "",
    as_json: Json = False,
) -> None:
    """Run the orchestrator once.

    Example: hops run --type daily --date 2025-03-01
    """
    from healthcare_ops.operations.engine import new_run_id
    from healthcare_ops.operations.runner import states_of

    wanted, present = day(run_date, "--date") if run_date else None, instant(as_of)
    request = {
        "do": "start",
        "type": run_type,
        "run_date": wanted.isoformat() if wanted else "",
        "as_of": present.isoformat() if present else "",
        # Known before it is asked for: a request that is granted twice begins one run.
        "run_id": new_run_id(run_type, present or datetime.now(UTC)),
    }
    with steps(run_type, len(states_of(run_type))) as progress:
        record, cautions = carried_out(state, request, progress)
    _show(state, record, cautions, as_json=as_json)


def redrive(run: Run, state: State = DEFAULT_STATE, as_json: Json = False) -> None:
    """Go on with an unsuccessful run from the state that failed, under the same id; earlier states are not run again.

    The conditions are those of AWS Step Functions: the run has not succeeded, and ended no longer than 14 days ago.
    It keeps its definition and its input.

    Example: hops redrive last
    """
    from healthcare_ops.operations.history import find_run
    from healthcare_ops.operations.runner import states_of

    before = find_run(objects_of(state), run)
    with steps(before.run_id, len(states_of(before.run_type))) as progress:
        record, cautions = carried_out(state, {"do": "redrive", "run_id": before.run_id}, progress)
    _show(state, record, cautions, as_json=as_json)


def carried_out(
    state: Path, request: Mapping[str, Any], progress: Callable[[str], None]
) -> tuple[RunRecord, list[dict[str, str]]]:
    """Have the request done by the `hops up` that serves the state directory, or else in this process.

    Return the run's record, and what to know of its data if it succeeded.
    """
    from healthcare_ops.operations.engine import open_engine
    from healthcare_ops.operations.requests import grant, is_served

    if is_served(state):
        return _followed(state, dict(request), progress)
    with open_engine(state, progress=lambda run_id, name: progress(name)) as engine:
        for left in sorted(engine.durable.live()):
            say(f"run {left} was left unfinished; it goes on first.")
            engine.finish(left)
        run_id = grant(engine, dict(request))
        try:
            record = engine.finish(run_id)
        except KeyboardInterrupt:
            engine.stop(run_id)
            record = engine.finish(run_id)
        return record, engine.workers.cautions_of_run(record) if record.status == SUCCEEDED else []


def _followed(
    state: Path, request: dict[str, Any], progress: Callable[[str], None]
) -> tuple[RunRecord, list[dict[str, str]]]:
    from healthcare_ops.operations.cautions import cautions_of_run
    from healthcare_ops.operations.history import follow_run
    from healthcare_ops.operations.requests import ask, is_served

    objects = objects_of(state)
    run_id = ask(objects, request)
    try:
        record = follow_run(objects, run_id, progress, lambda: is_served(state))
    except KeyboardInterrupt:
        say(f"run {run_id} goes on in `hops up`.", f"`hops runs stop {run_id}` ends it.")
        raise
    if record.status != SUCCEEDED:
        return record, []
    return record, cautions_of_run(state, record.run_type, record.run_date, record.as_of)


def _show(state: Path, record: RunRecord, cautions: list[dict[str, str]], *, as_json: bool) -> None:
    from healthcare_ops.operations.runner import failure_of

    closing, failure = _closing(objects_of(state), record.outcomes), failure_of(record)
    if not as_json:
        warn(cautions)
    document = {**describe_run(record), "warnings": cautions}
    show_result(document, failure, as_json=as_json, show=lambda _: print_run(record, closing))


def status(state: State = DEFAULT_STATE, as_of: AsOf = "", as_json: Json = False) -> None:
    """Show what the lake holds, how old it is, and how the last run ended.

    Example: hops status
    """
    from healthcare_ops.bootstrap.platform import open_platform

    clock = clock_at(as_of)
    with open_platform(state, clock, exclusive=False) as platform:
        document = _status(platform)
    if as_json:
        emit_json(document)
        return
    out = console()
    out.print(
        f"{document['facility']}: {_data_age(document, clock.now())}, model {document['model'] or 'none yet'}",
        markup=False,
    )
    last = document["last_run"]
    if last:
        cause = f": {last['cause']}" if last["cause"] else ""
        out.print(f"last run {last['run_id']} {last['status']}{cause}", markup=False)
    out.print(
        table(
            "Tables",
            ["table", "rows", "first day", "last day"],
            [[t["table"], t["rows"], t["first"], t["last"]] for t in document["tables"]],
        )
    )
    for warning in document["warnings"]:
        out.print(f"warning: {warning['message']} {warning['next_step']}", markup=False)


def _data_age(document: dict[str, Any], now: datetime) -> str:
    """Return until when data is known, in the site's time, and how long before `now` that is."""
    from healthcare_ops.core.civil_time import load_zone

    if not document["known_until"]:
        return "no data yet"
    known = datetime.fromisoformat(document["known_until"])
    age_h = (now - known).total_seconds() / 3600
    age = f"{age_h:.1f} h" if age_h < 48 else f"{age_h / 24:,.0f} days"
    local = known.astimezone(load_zone(document["zone"]))
    return f"data known until {local:%Y-%m-%d %H:%M} {document['zone']} ({age} ago)"


def _status(platform: Platform) -> dict[str, Any]:
    from healthcare_ops.core.tables import OPS_METRICS_HOURLY
    from healthcare_ops.forecasting.champions import standing
    from healthcare_ops.jobs.silver_to_gold import KNOWN_UNTIL
    from healthcare_ops.operations import bulk
    from healthcare_ops.operations.cautions import find_cautions
    from healthcare_ops.operations.history import read_runs
    from healthcare_ops.operations.reading import newest_predictions

    objects = platform.context.objects
    records = read_runs(objects)
    champion = standing(objects).champion
    return {
        "facility": platform.context.site.name,
        "zone": platform.context.site.zone,
        "known_until": platform.lake.note(OPS_METRICS_HOURLY, KNOWN_UNTIL),
        "model": champion.version if champion else "",
        "last_run": describe_run(records[0]) if records else None,
        **bulk.summary(platform),
        "warnings": [caution.document for caution in find_cautions(platform, newest_predictions(platform))],
    }


def _closing(objects: ObjectStore, outcomes: Mapping[str, Any]) -> str:
    """Return what a run that came so far says of its data and its forecasts, in one line."""
    told = []
    if dq := outcomes.get("dq_check"):
        told.append(f"data quality: {_judged(objects, dq)}")
    if forecasts := outcomes.get("batch_predict"):
        rows, reason = forecasts["rows"], forecasts.get("reason")
        told.append(f"forecasts: {f'{rows:,} rows' if rows else f'none, {reason}'}")
    return "; ".join(told)


def _judged(objects: ObjectStore, outcome: Mapping[str, Any]) -> str:
    from healthcare_ops.entrypoints.cli.quality_report import verdict_text

    if not outcome["days"]:
        return "no new day to judge"
    counts = [feed["counts"] for feed in json.loads(objects.read(outcome["report"]))["feeds"]]
    held, delivered = (sum(count[fate] for count in counts) for fate in ("quarantined", "delivered"))
    return (
        f"{verdict_text(outcome['verdict'])}, risk score {outcome['dq_risk_score']:.2f} "
        f"({held:,} of {delivered:,} records held)"
    )


def describe_run(record: RunRecord) -> dict[str, Any]:
    """Return the record as a document of the command line."""
    document: dict[str, Any] = json.loads(record.to_json())
    # The name that the state machine has for its failure is not what other commands call an `error`.
    return {("failed_with" if name == "error" else name): value for name, value in document.items()}


def print_run(record: RunRecord, closing: str = "") -> None:
    """Print the states that a run entered, and how each of them went."""
    rows = [
        [state.name, len(state.attempts), _outcome(record, state), f"{_elapsed_s(record, state):.2f} s"]
        for state in record.states
    ]
    out = console()
    out.print(table(f"{record.run_id}: {record.status}", ["state", "attempts", "result", "time"], rows))
    if closing:
        out.print(closing, markup=False)


def _elapsed_s(record: RunRecord, state: StateRecord) -> float:
    """Return how long a state took, or has been at work."""
    if state.exited_at or record.status != RUNNING:
        return state.seconds
    return (datetime.now(UTC) - datetime.fromisoformat(state.entered_at)).total_seconds()


def _outcome(record: RunRecord, state: StateRecord) -> str:
    if state.has_failed:
        failure = state.attempts[-1].failure
        return f"{state.attempts[-1].error}: {failure.reason}" if failure else str(state.attempts[-1].error)
    if not state.exited_at:
        return "at work" if record.status == RUNNING else "stopped"
    if state is record.states[-1] and record.failed_state:
        return {"FAILED": "failed", "ABORTED": "stopped"}.get(record.status, record.status.lower())
    return "ok"
