"""`hops run`, `status`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from healthcare_ops.entrypoints.cli.failures import show_result
from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, AsOf, Json, State, clock_at, day
from healthcare_ops.entrypoints.cli.output import console, emit_json, steps, table

if TYPE_CHECKING:
    from healthcare_ops.bootstrap.platform import Platform


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
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.operations.runner import run_orchestrator, states_of

    wanted = day(run_date, "--date") if run_date else None
    with open_platform(state, clock_at(as_of)) as platform, steps(run_type, len(states_of(run_type))) as progress:
        finished = run_orchestrator(platform.context, run_type, wanted, progress)
        closing = _closing(platform, finished.record.outcomes)
    # The name that the state machine has for its failure is not what other commands call an `error`.
    document = {name: value for name, value in json.loads(finished.record.to_json()).items() if name != "error"}
    show_result(document, finished.failure, as_json=as_json, show=lambda _: _print_run(finished.record, closing))


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
    from healthcare_ops.core.runs import RUNS_PREFIX
    from healthcare_ops.core.tables import OPS_METRICS_HOURLY
    from healthcare_ops.forecasting.registry import champion_history
    from healthcare_ops.jobs.silver_to_gold import KNOWN_UNTIL
    from healthcare_ops.operations import bulk

    objects = platform.context.objects
    records = [json.loads(objects.read(key)) for key in objects.list(RUNS_PREFIX)]
    history = champion_history(objects)
    return {
        "facility": platform.context.site.name,
        "zone": platform.context.site.zone,
        "known_until": platform.lake.note(OPS_METRICS_HOURLY, KNOWN_UNTIL),
        "model": history[-1]["version"] if history else "",
        "last_run": max(records, key=lambda record: record["started_at"], default=None),
        **bulk.summary(platform),
    }


def _closing(platform: Platform, outcomes: Mapping[str, Any]) -> str:
    """Return what a run that came so far says of its data and its forecasts, in one line."""
    told = []
    if dq := outcomes.get("dq_check"):
        told.append(f"data quality: {_judged(platform, dq)}")
    if forecasts := outcomes.get("batch_predict"):
        rows, reason = forecasts["rows"], forecasts.get("reason")
        told.append(f"forecasts: {f'{rows:,} rows' if rows else f'none, {reason}'}")
    return "; ".join(told)


def _judged(platform: Platform, outcome: Mapping[str, Any]) -> str:
    from healthcare_ops.entrypoints.cli.quality import verdict_text

    if not outcome["days"]:
        return "no new day to judge"
    counts = [feed["counts"] for feed in json.loads(platform.context.objects.read(outcome["report"]))["feeds"]]
    held, delivered = (sum(count[fate] for count in counts) for fate in ("quarantined", "delivered"))
    return (
        f"{verdict_text(outcome['verdict'])}, risk score {outcome['dq_risk_score']:.2f} "
        f"({held:,} of {delivered:,} records held)"
    )


def _print_run(record: Any, closing: str) -> None:
    rows = [
        [
            state.name,
            len(state.attempts),
            _outcome(state, record),
            f"{_seconds(state):.2f} s",
        ]
        for state in record.states
    ]
    out = console()
    out.print(table(f"{record.run_id}: {record.status}", ["state", "attempts", "result", "time"], rows))
    if closing:
        out.print(closing, markup=False)


def _outcome(state: Any, record: Any) -> str:
    if state.attempts and state.attempts[-1]["error"]:
        return str(state.attempts[-1]["error"])
    return "failed" if state.name == "PipelineFailed" else "ok"


def _seconds(state: Any) -> float:
    return (datetime.fromisoformat(state.exited_at) - datetime.fromisoformat(state.entered_at)).total_seconds()
