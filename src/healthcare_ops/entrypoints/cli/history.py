"""`hops runs …`: what runs did, why one failed, and where to look."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from healthcare_ops.core.runs import RunRecord, log_key
from healthcare_ops.entrypoints.cli.failures import say
from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, Json, Run, State, objects_of, where
from healthcare_ops.entrypoints.cli.output import console, emit_json, inert, table
from healthcare_ops.entrypoints.cli.runs import describe_run, print_run

Status = Literal["RUNNING", "PENDING_REDRIVE", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]

app = typer.Typer(help="Look at runs, and stop them.", no_args_is_help=True)


@app.command("list")
def list_runs(
    run_type: Annotated[
        Literal["daily", "inference", "weekly_train"] | None, typer.Option("--type", help="Only runs of this type.")
    ] = None,
    status: Annotated[
        Status | None, typer.Option("--status", case_sensitive=False, help="Only runs of this status.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, the newest first.")] = 20,
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """List runs, the newest first.

    Example: hops runs list --status FAILED
    """
    from healthcare_ops.operations.history import read_runs

    found = [
        record
        for record in read_runs(objects_of(state))
        if run_type in (None, record.run_type) and status in (None, record.status)
    ]
    shown = found[:limit]
    if as_json:
        emit_json({"runs": [_summary(state, record) for record in shown], "found": len(found)})
        return
    if not found:
        console().print("no runs yet" if not (run_type or status) else "no such runs")
        return
    columns = ["run", "day", "status", "started", "took", "failed at", "reason"]
    rows = [
        [_cell(name, summary[name]) for name in _COLUMNS] for summary in (_summary(state, record) for record in shown)
    ]
    console().print(table(f"Runs: {len(shown)} of {len(found)}", columns, rows))


_COLUMNS = ("run_id", "run_date", "status_now", "started_at", "took_s", "failed_state", "reason")


@app.command()
def show(run: Run, state: State = DEFAULT_STATE, as_json: Json = False) -> None:
    """Show the states that a run entered, its attempts, and why it failed.

    Example: hops runs show last
    """
    from healthcare_ops.operations.history import find_run

    objects = objects_of(state)
    record = find_run(objects, run)
    if as_json:
        emit_json(describe_run(record) | _summary(state, record))
        return
    print_run(record)
    out = console()
    for name, value in _facts(state, record):
        out.print(f"{name}: {value}", markup=False)


@app.command()
def graph(run: Run, state: State = DEFAULT_STATE, as_json: Json = False) -> None:
    """Draw the state machine of a run: how each state went, and why one failed.

    Example: hops runs graph last
    """
    from healthcare_ops.operations.history import draw_run, find_run

    objects = objects_of(state)
    record = find_run(objects, run)
    drawing = draw_run(objects, record)
    if as_json:
        emit_json(_summary(state, record) | {"drawing": drawing})
        return
    lines = [f"{record.run_id}: {record.status}", "", *drawing]
    sys.stdout.write("".join(f"{inert(line)}\n" for line in lines))


@app.command()
def logs(
    run: Run,
    job: Annotated[str, typer.Option("--job", help="Only what this job said.")] = "",
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Print what the jobs of a run logged.

    Example: hops runs logs last --job dq_check
    """
    from healthcare_ops.operations.history import find_run, read_log

    objects = objects_of(state)
    record = find_run(objects, run)
    lines = [line for line in read_log(objects, record.run_id) if job in ("", line["job"])]
    if as_json:
        emit_json({"run_id": record.run_id, "lines": lines})
        return
    if not lines:
        say(f"no log of {record.run_id}{f' and {job}' if job else ''}.")
    for line in lines:
        text = f"{line['at']} {line['level']:<7} {line['job']}: {line['message']}"
        sys.stdout.write(f"{inert(text)}\n")


@app.command()
def stop(run: Run, state: State = DEFAULT_STATE, as_json: Json = False) -> None:
    """Have a run end at once, its job in the middle of its work; what was committed stands.

    Example: hops runs stop last
    """
    from healthcare_ops.operations.engine import stop_run
    from healthcare_ops.operations.history import find_run

    objects = objects_of(state)
    record = find_run(objects, run)
    stop_run(objects, record.run_id)
    if as_json:
        emit_json({"run_id": record.run_id, "is_stopping": True})
        return
    console().print(f"{record.run_id} is being stopped; `hops redrive {record.run_id}` goes on with it.", markup=False)


@app.command()
def resume(state: State = DEFAULT_STATE, as_json: Json = False) -> None:
    """Finish the runs that a crash left unfinished; `hops up` and `hops run` do so by themselves.

    Example: hops runs resume
    """
    from healthcare_ops.entrypoints.cli.failures import show_result
    from healthcare_ops.operations.engine import open_engine
    from healthcare_ops.operations.runner import failure_of

    objects_of(state)
    with open_engine(state) as engine:
        records = [engine.finish(run_id) for run_id in sorted(engine.durable.live())]
    failures = [failure for record in records if (failure := failure_of(record))]

    def show_all(_: object) -> None:
        for record in records:
            print_run(record)
        if not records:
            console().print("no run was left unfinished")

    document = {"runs": [_summary(state, record) for record in records]}
    show_result(document, failures[0] if failures else None, as_json=as_json, show=show_all)


def _cell(name: str, value: Any) -> Any:
    match name:
        case "started_at":
            return f"{value[:19]}Z"
        case "took_s":
            return None if value is None else f"{value:.1f} s"
        case _:
            return value


def _summary(state: Path, record: RunRecord) -> dict[str, Any]:
    """Return what a list tells of a run."""
    failed, failure = record.failed_state, record.failure
    return {
        "run_id": record.run_id,
        "run_type": record.run_type,
        "run_date": record.run_date,
        "status": record.status,
        "status_now": _status_now(state, record),
        "started_at": record.started_at,
        "took_s": record.took_s,
        "log": str(state / log_key(record.run_id)),
        "failed_state": failed.name if failed else "",
        "error_class": failure.error_class if failure else "",
        "reason": failure.reason if failure else record.error,
    }


def _status_now(state: Path, record: RunRecord) -> str:
    """Return the status, with what the record cannot know: whether anybody is at work on the run."""
    from healthcare_ops.adapters.state_lock import Lock, role_of_holder

    if record.is_open and role_of_holder(state, Lock.ENGINE) is None:
        return f"{record.status} (left)"
    return record.status


def _facts(state: Path, record: RunRecord) -> list[tuple[str, str]]:
    """Return what there is to say of a run below its states."""
    facts = [("started", f"{record.started_at} ({record.trigger})"), ("as of", record.as_of)]
    facts += [("taken up again", instant) for instant in record.resumed_at]
    facts += [("redriven", instant) for instant in record.redriven_at]
    if record.error or record.status == "ABORTED":
        facts.append(("failed with", f"{record.error or record.status}: {record.cause}"))
    if failure := record.failure:
        facts.append(("class", f"{failure.error_class}, reason {failure.reason}"))
        facts.append(("next", f"{failure.next_step or '–'}"))
        facts.append(("then", f"hops redrive {record.run_id}{where(state)}"))
    facts.append(("log", str(state / log_key(record.run_id))))
    return facts
