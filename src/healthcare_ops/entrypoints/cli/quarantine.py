"""`hops dq release|reject|hold`, and `hops dq assign|judge`: what people decide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from healthcare_ops.entrypoints.cli.failures import show_result
from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, By, Json, State, Why
from healthcare_ops.entrypoints.cli.output import console, emit_json
from healthcare_ops.entrypoints.cli.waiting import DEFAULT_WAIT, Wait, patience_of

if TYPE_CHECKING:
    from healthcare_ops.operations.quarantine import Decided, Standing
    from healthcare_ops.pipeline.quality.quarantine import Kind

Rule = Annotated[str, typer.Option("--rule", help="Rule that holds the records.", show_default=False)]
Batch = Annotated[str, typer.Option("--batch", help="Delivery they came with.", show_default=False)]
Finding = Annotated[str, typer.Argument(help="Rule that is broken.", show_default=False)]
OfRun = Annotated[str, typer.Option("--run", help="Run; default: the newest report.")]
_DONE = {
    "reject": "they stay out, and are marked as rejected",
    "hold": "they are held again",
}
_ALREADY = {"release": "released", "reject": "rejected", "hold": "held"}


def release(
    rule: Rule,
    batch: Batch,
    by: By,
    reason: Why,
    state: State = DEFAULT_STATE,
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Let the records in that a rule holds back of a delivery, and build their days again.

    Example: hops dq release --rule stay.short --batch visits-000012 --by Ana --reason seen
    """
    _decide("release", rule, batch, by, reason, state, wait, as_json=as_json)


def reject(
    rule: Rule,
    batch: Batch,
    by: By,
    reason: Why,
    state: State = DEFAULT_STATE,
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Keep the records out for good that a rule, or a reason code, holds back of a delivery.

    Example: hops dq reject --rule TIME_UNREADABLE --batch visits-000012 --by Ana --reason test
    """
    _decide("reject", rule, batch, by, reason, state, wait, as_json=as_json)


def hold(
    rule: Rule,
    batch: Batch,
    by: By,
    reason: Why,
    state: State = DEFAULT_STATE,
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Take a release or rejection back: the records are held as if nobody had decided.

    Example: hops dq hold --rule stay.short --batch visits-000012 --by Ana --reason mistake
    """
    _decide("hold", rule, batch, by, reason, state, wait, as_json=as_json)


def assign(
    rule: Finding,
    steward: Annotated[str, typer.Option("--to", help="Who looks into it.", show_default=False)],
    by: By,
    reason: Why = "to be looked into",
    run_id: OfRun = "",
    state: State = DEFAULT_STATE,
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Give what a rule found to a steward.

    Example: hops dq assign encounters.triage_level.complete --to Rui --by Ana
    """
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.operations import stewards
    from healthcare_ops.operations.reading import newest_report

    with open_platform(state, patience=patience_of(wait)) as platform:
        report = newest_report(platform, run_id)
        found = stewards.assign(platform, report, rule, steward=steward, by=by, reason=reason)
    if as_json:
        emit_json(vars(found))
    else:
        console().print(f"{found.steward} looks into {found.rule_id} of run {found.run_id}.", markup=False)


def judge(
    rule: Finding,
    verdict: Annotated[str, typer.Option("--verdict", help="too-strict or corrupted.", show_default=False)],
    by: By,
    reason: Why,
    run_id: OfRun = "",
    state: State = DEFAULT_STATE,
    wait: Wait = DEFAULT_WAIT,
    as_json: Json = False,
) -> None:
    """Say of a finding whether the rule is too strict, or the data are corrupted.

    Example: hops dq judge encounters.triage_level.complete --verdict too-strict --by Rui --reason form
    """
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.operations import stewards
    from healthcare_ops.operations.reading import newest_report

    known: dict[str, stewards.Judgement] = {"too-strict": "rule too strict", "corrupted": "data corrupted"}
    if verdict not in known:
        raise typer.BadParameter(f"{verdict!r} is not {' or '.join(known)}.", param_hint="--verdict")
    with open_platform(state, patience=patience_of(wait)) as platform:
        report = newest_report(platform, run_id)
        found = stewards.judge(platform, report, rule, known[verdict], by=by, reason=reason)
    if as_json:
        emit_json(vars(found))
        return
    out = console()
    out.print(f"{found.rule_id} of run {found.run_id}: {found.judgement}, says {found.steward}.", markup=False)
    if verdict == "too-strict" and found.rule_id.startswith(("expected.", "clock.", "refused.")):
        out.print(
            "next:   what the past expects follows the next weeks by itself; no rule file changes it.", markup=False
        )
    elif verdict == "too-strict":
        out.print(f"next:   hops dq whatif {found.rule_id} --threshold X · hops dq rules adopt FILE", markup=False)


def _decide(
    kind: Kind, rule: str, batch: str, by: str, reason: str, state: Path, wait: float, *, as_json: bool
) -> None:
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.operations.quarantine import decide

    with open_platform(state, patience=patience_of(wait)) as platform:
        decided = decide(platform, kind, rule=rule, batch_id=batch, by=by, reason=reason)
    show_result(decided.document, decided.failure, as_json=as_json, show=lambda _: _print(decided))


def _print(decided: Decided) -> None:
    out, decision = console(), decided.decision
    rule, batch = decision.rule, decision.batch_id
    days = f"{decided.days[0]} to {decided.days[-1]}" if len(decided.days) > 1 else str(decided.days[0])
    about = f"Records of {batch} that {rule} holds: {decided.records:,} ({days}){_equal(decided)}"
    if decided.already:
        out.print(f"{about}.", markup=False)
        out.print(_already(decided, decided.already), markup=False, soft_wrap=True)
        return
    told = f"{decided.let_in:,} of them are let in" if decision.kind == "release" else _DONE[decision.kind]
    out.print(f"{about}; {told}.", markup=False)
    if decided.let_in < decided.records + decided.equal and decision.kind == "release":
        out.print("Other rules hold the rest: hops dq quarantine", markup=False)
    if decision.kind != "hold":
        out.print(f"undo: hops dq hold --rule {rule} --batch {batch} --by NAME --reason WHY", markup=False)


def _equal(decided: Decided) -> str:
    others = len(decided.equal_deliveries)
    if not others:
        return ""
    records, deliveries = "s" * (decided.equal > 1), "deliveries" if others > 1 else "delivery"
    return f", and {decided.equal:,} equal record{records} of {others:,} other {deliveries}"


def _already(decided: Decided, standing: Standing) -> str:
    why = f" ({standing.reason})" if standing.reason else ""
    done = "their days were still to be built" if decided.jobs or decided.failure else "nothing was written"
    since = standing.since.isoformat(timespec="minutes")
    return f"They are already {_ALREADY[decided.decision.kind]} by {standing.by} since {since}{why}: {done}."
