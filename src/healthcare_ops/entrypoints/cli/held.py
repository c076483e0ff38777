"""`hops dq quarantine`: which records are held, or were, by which rule, of which delivery, and what is at fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, Json, State, day
from healthcare_ops.entrypoints.cli.output import console, display, emit_json, table

if TYPE_CHECKING:
    from healthcare_ops.operations.evidence import Evidence
    from healthcare_ops.operations.held import Quarantine

_SHOWN = 50
_GROUPS_SHOWN = 20
_SENTENCES = {
    "value": "{column} {value}",
    "instant": "{column} {value}",
    "shape": "{column} like {value}",
    "missing": "{column} is missing",
    "identifier": "{column} (not shown)",
}


def quarantine(
    rule: Annotated[str, typer.Option("--rule", help="Of this rule or reason code.")] = "",
    batch: Annotated[str, typer.Option("--batch", help="Of this delivery.")] = "",
    file: Annotated[str, typer.Option("--file", help="Of the file of this name.")] = "",
    feed: Annotated[str, typer.Option("--feed", help="Of this feed.")] = "",
    on: Annotated[str, typer.Option("--day", metavar="DAY", help="Of this day, as bronze keeps them.")] = "",
    only: Annotated[
        Literal["held", "released", "rejected"] | None, typer.Option("--only", help="Of this state.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help=f"So many records; default: {_SHOWN}, with --json all.")
    ] = None,
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """List the records in quarantine by rule and delivery, with the column and value at fault; no identifiers.

    Example: hops dq quarantine --rule TIME_UNREADABLE --only held
    """
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.operations.held import Wanted, look

    wanted = Wanted(rule, batch, file, feed, day(on, "--day") if on else None, only or "")
    with open_platform(state, exclusive=False) as platform:
        found = look(platform, wanted, limit if limit or as_json else _SHOWN)
    if as_json:
        emit_json(found.document)
    else:
        _print(found, is_narrowed=wanted != Wanted())


def _print(found: Quarantine, *, is_narrowed: bool) -> None:
    out = console()
    which = "Records asked for" if is_narrowed else "Records in quarantine"
    told = (
        f"{found.counts['held']:,} held; {found.counts['released']:,} released, {found.counts['rejected']:,} rejected"
    )
    out.print(f"{which}: {told}", markup=False)
    if not found.records:
        return
    groups = [
        [one.rule, one.batch_id, one.source_file, one.held, one.released, one.rejected]
        for one in found.groups[:_GROUPS_SHOWN]
    ]
    out.print(table("By rule and delivery", ["rule", "delivery", "file", *found.counts], groups))
    _tell_more(len(found.groups) - len(groups), "rules and deliveries", "--json")
    rows = [row for record in found.records for row in _rows(record)]
    out.print(
        table("Records, by their position in the file", ["delivery", "record", "rule", "at fault", "state"], rows)
    )
    _tell_more(found.more, "records", "--limit N, or --json")
    if any(one.form == "shape" for record in found.records for one in record["evidence"]):
        out.print("like:   a for a letter, # for a digit; the text may name a patient, and stands in the file alone")
    if any(record["state"] == "held" and record["reason_code"] == "RULE_BROKEN" for record in found.records):
        out.print("next:   hops dq release|reject --rule RULE --batch DELIVERY --by NAME --reason WHY", markup=False)


def _tell_more(count: int, what: str, how: str) -> None:
    if count > 0:
        console().print(f"{count:,} more {what}: {how}", markup=False)


def _rows(record: Mapping[str, Any]) -> Iterator[list[Any]]:
    """Yield a row for each rule that holds the record."""
    for rule in record["rule_ids"].split(","):
        at_fault = _said([one for one in record["evidence"] if one.rule == rule])
        yield [record["batch_id"], record["record_no"], rule, at_fault, record["state"]]


def _said(evidence: Sequence[Evidence]) -> str | None:
    return ", ".join(_SENTENCES[one.form].format(column=one.column, value=_shown(one)) for one in evidence) or None


def _shown(one: Evidence) -> str:
    if one.form == "instant":
        return str(one.value)[:19].replace("T", " ")
    return f"{one.value:,.10g}" if isinstance(one.value, float) else display(one.value)
