"""`hops notify test|list|retry|schema`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, Json, State, objects_of
from healthcare_ops.entrypoints.cli.output import console, emit_json, table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from healthcare_ops.operations.notify import Post

app = typer.Typer(
    help="Notifications: who is told of alarms, and whether it arrived.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("test")
def send_test(
    channel: Annotated[str, typer.Argument(help="A channel of notifications.toml.", show_default=False)],
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Send a test by a channel now, whatever the hour, and say whether it arrived; the outbox knows nothing of it.

    Example: hops notify test on-call
    """
    detail = _post(state).try_out(channel)
    if as_json:
        emit_json({"channel": channel, "is_sent": True, "detail": detail})
        return
    console().print(f"sent to {channel}" + (f"; {detail}" if detail else ""), markup=False)


@app.command("list")
def list_letters(
    channel: Annotated[str, typer.Option("--channel", help="Of one channel only.")] = "",
    only: Annotated[
        Literal["waiting", "sent", "dead"] | None, typer.Option("--only", help="In one state only.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many, the newest first.")] = 20,
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """List what people were told, what waits and why, and what is dead: it was tried as often as it may be.

    Example: hops notify list --only dead
    """
    from healthcare_ops.core.config import SITE_FILE
    from healthcare_ops.core.site import Site
    from healthcare_ops.core.validated import read_toml
    from healthcare_ops.operations.notify import documents

    post = _post(state)
    zone = read_toml(state / SITE_FILE, Site).tz
    letters = post.outbox().letters(channel, only)[::-1][:limit]
    if as_json:
        emit_json({"notices": documents(letters)})
        return
    rows: list[list[Any]] = [
        [
            f"{one.queued_at.astimezone(zone):%Y-%m-%d %H:%M}",
            one.channel,
            ", ".join([one.notice.alarm, *one.notice.of.values()]),
            one.notice.state,
            one.state,
            one.attempts,
            one.detail,
        ]
        for one in letters
    ]
    columns = [f"queued ({zone.key})", "channel", "alarm", "tells", "is", "attempts", "why"]
    console().print(table("Notifications", columns, rows))


@app.command("retry")
def retry(
    channel: Annotated[str, typer.Option("--channel", help="Of one channel only.")] = "",
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Put dead notifications back and send what is due, as `hops up` does every minute; quiet hours count.

    Example: hops notify retry --channel on-call
    """
    from healthcare_ops.core.errors import TransientError
    from healthcare_ops.entrypoints.cli.failures import show_result

    post = _post(state)
    count = post.retry(channel)
    events = post.deliver(wait_s=60)
    causes = [f"{event['channel']}: {event['cause']}" for event in events if event["event"] == "undelivered"]
    failure = None
    if causes:
        failure = TransientError("; ".join(causes), next_step="Mend it; `hops up` tries again, and so does this.")
    document = {"put_back": count, "events": events}
    show_result(document, failure, as_json=as_json, show=_print_retried)


def _print_retried(document: Mapping[str, Any]) -> None:
    arrived = sum(event["notices"] for event in document["events"] if event["event"] == "notified")
    console().print(f"{document['put_back']} put back, {arrived} sent")


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of notifications.toml.

    Example: hops notify schema > notifications.schema.json
    """
    from healthcare_ops.core.notification_file import NotificationFile

    sys.stdout.write(json.dumps(NotificationFile.model_json_schema(), indent=2) + "\n")


def _post(state: Path) -> Post:
    from healthcare_ops.operations.notify import Post

    objects_of(state)
    return Post(state)
