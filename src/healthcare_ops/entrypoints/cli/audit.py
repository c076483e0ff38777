"""`hops audit show|verify`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from healthcare_ops.entrypoints.cli.failures import show_result
from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, Json, State, objects_of
from healthcare_ops.entrypoints.cli.output import console, emit_json, table

if TYPE_CHECKING:
    from healthcare_ops.jobs.audit_log import Entry

_NEXT_STEP = (
    "Keep a copy of ops/audit/ as evidence, then put these entries back from a backup. Until the log is whole, nobody "
    'can decide anything; docs/data-quality.md, "A log that is not whole", says how to go on without a backup.'
)
app = typer.Typer(help="Who did what, and why.", no_args_is_help=True, rich_markup_mode=None)


@app.command("show")
def show(
    limit: Annotated[int, typer.Option(min=1, help="So many, the newest.")] = 20,
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """List what people did, the newest first.

    Example: hops audit show
    """
    from healthcare_ops.jobs.audit_log import entries

    found = entries(objects_of(state))[::-1][:limit]
    if as_json:
        emit_json({"entries": [asdict(entry) for entry in found]})
        return
    rows = [[e.number, e.at[:19], e.who, e.action, _about(e), e.reason] for e in found]
    console().print(table("Audit log", ["no", "at", "who", "what", "of", "why"], rows))


def _about(entry: Entry) -> str:
    """Return what an entry is about; what it lists by day is for machines."""
    return ", ".join(str(value) for value in entry.details.values() if not isinstance(value, dict | list))


@app.command("verify")
def verify(state: State = DEFAULT_STATE, as_json: Json = False) -> None:
    """Check that no entry was changed, taken out or put in, and name those that were; exit 4 if one was.

    Example: hops audit verify
    """
    from healthcare_ops.core.errors import ConfigError
    from healthcare_ops.jobs.audit_log import kept_entries
    from healthcare_ops.operations.audit import breaks

    kept = kept_entries(objects_of(state))
    faults = breaks(kept)
    newest = kept[max(kept)] if kept else None
    failure = (
        ConfigError(f"the audit log is not whole: {faults[0].sentence}.", next_step=_NEXT_STEP) if faults else None
    )

    def tell(_: object) -> None:
        sound = f"Entries: {len(kept)}, and each follows the one before it."
        for text in [fault.sentence for fault in faults] or [sound]:
            console().print(text, markup=False, soft_wrap=True)

    document = {
        "entries": len(kept),
        "newest_hash": newest.hash if newest else None,
        "faults": [asdict(fault) for fault in faults],
    }
    show_result(document, failure, as_json=as_json, show=tell)
