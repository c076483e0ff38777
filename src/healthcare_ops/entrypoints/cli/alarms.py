"""`hops alarms`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, AsOf, Json, State, clock_at, objects_of
from healthcare_ops.entrypoints.cli.output import console, emit_json, table

_ORDER = ("ALARM", "INSUFFICIENT_DATA", "OK")


def alarms(
    history: Annotated[bool, typer.Option("--history", help="The changes of states, the newest first.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="So many changes.")] = 20,
    state: State = DEFAULT_STATE,
    as_of: AsOf = "",
    as_json: Json = False,
) -> None:
    """Judge the alarms now, and list them: state, since when, why, and the section of the runbook.

    Those that ring come first. What changes is kept, as when `hops up` judges them, which it does every minute and
    after every run; `--as-of` keeps nothing. An alarm that rings is no failure of this command: it ends with 0.

    Example: hops alarms
    """
    from healthcare_ops.core.config import SITE_FILE
    from healthcare_ops.core.site import Site
    from healthcare_ops.core.validated import read_toml
    from healthcare_ops.operations.alarms import Alarms

    objects_of(state)
    zone = read_toml(state / SITE_FILE, Site).tz

    def local(at: datetime | None) -> str:
        return f"{at.astimezone(zone):%Y-%m-%d %H:%M}" if at else "–"

    judge = Alarms(state)
    if history:
        changes = judge.log.read()[::-1][:limit]
        if as_json:
            emit_json({"changes": [asdict(change) for change in changes]})
            return
        rows = [
            [local(datetime.fromisoformat(one.at)), one.alarm, _things(one.of), one.was, one.state, one.reason]
            for one in changes
        ]
        console().print(table(f"Changes ({zone.key})", ["at", "alarm", "of", "was", "is", "why"], rows))
        return
    now = clock_at(as_of).now()
    standings = judge.look(now) if as_of else judge.judge(now)[0]
    standings.sort(key=lambda one: (_ORDER.index(one.judgement.state), one.alarm.alarm_name))
    if as_json:
        emit_json({"as_of": now.isoformat(), "alarms": [one.document for one in standings]})
        return
    rows = [
        [
            one.alarm.alarm_name,
            _things(one.of),
            one.judgement.state,
            local(one.since),
            one.alarm.severity,
            one.alarm.runbook,
            one.judgement.reason,
        ]
        for one in standings
    ]
    columns = ["alarm", "of", "state", f"since ({zone.key})", "severity", "runbook", "why"]
    console().print(table("Alarms", columns, rows))


def _things(of: Mapping[str, Any]) -> str:
    return ", ".join(str(value) for value in of.values())
