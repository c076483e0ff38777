"""What of silver data quality has let pass: gold takes that and nothing that came since."""

from __future__ import annotations

import json
from collections.abc import Mapping

from healthcare_ops.core.errors import TransientError
from healthcare_ops.core.tables import BATCH_ACCOUNTS, ENCOUNTERS, EVENTS, STAYS
from healthcare_ops.jobs.context import Context

# One object, not a part of the report: that is of a run, and this of the lake, whichever run reads it.
APPROVAL = "gold/data_quality_approval.json"
_TAKEN_BY_GOLD = (ENCOUNTERS, STAYS, EVENTS, BATCH_ACCOUNTS)


def silver_markers(context: Context) -> dict[str, str]:
    """Return, by table, the newest marker of the silver that gold is built from."""
    known = _approved(context)
    return {table.id: context.lake.changes(table, known.get(table.id, "")).marker for table in _TAKEN_BY_GOLD}


def approve(context: Context, markers: Mapping[str, str]) -> None:
    """Let gold take the silver of these markers, as they were before it was judged."""
    context.objects.write(APPROVAL, json.dumps(markers, indent=1).encode())


def require_approval(context: Context) -> None:
    """Raise `TransientError` unless silver is what data quality last let pass."""
    known = _approved(context)
    changed = [name for name, marker in silver_markers(context).items() if known.get(name, "") != marker]
    if changed:
        raise TransientError(
            f"silver changed after data quality judged it: {', '.join(changed)}.",
            next_step="It is tried again by itself, once the next run has judged silver; "
            "if this goes on, that run fails: `hops dq show`.",
        )


def _approved(context: Context) -> dict[str, str]:
    if not context.objects.exists(APPROVAL):
        return {}
    markers: dict[str, str] = json.loads(context.objects.read(APPROVAL))
    return markers
