"""`hops up`, `schedule`, `simulate`."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, Json, State, day, objects_of
from healthcare_ops.entrypoints.cli.output import accounts, console, emit_json, inert, steps, table

if TYPE_CHECKING:
    from healthcare_ops.generator.scenario import FeedName

_LOOK_EVERY_S = 1.0
_SHOWN = 10
_SYNTHETIC_FEEDS = ("encounters", "events")
_SYNTHETIC_MIN = 15


def up(
    state: State = DEFAULT_STATE,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line, as things happen.")] = False,
) -> None:
    """Run the platform: the schedules, what other commands ask for, and whatever a crash left unfinished.

    Daily runs, trainings and ticks start as settings.toml says, in the site's time. A tick or training that finds its
    predecessor at work is skipped; of those missed while nobody ran this, the latest is made good, and each day is.
    Measures itself, judges the alarms and opens incidents every minute and after every run, and tells the channels of
    notifications.toml what is news. Ends on Ctrl-C or SIGTERM; a run at work then goes on when it is started again.

    Example: hops up
    """
    import signal
    from datetime import timedelta
    from threading import Event

    from healthcare_ops.core.config import SITE_FILE, read_settings
    from healthcare_ops.core.site import Site
    from healthcare_ops.core.validated import read_toml
    from healthcare_ops.operations.engine import open_engine
    from healthcare_ops.operations.incidents import Incidents
    from healthcare_ops.operations.notify import Post, Postman
    from healthcare_ops.operations.remedies import Remedies
    from healthcare_ops.operations.requests import SERVING
    from healthcare_ops.operations.schedules import schedules_of
    from healthcare_ops.operations.service import Look, Service
    from healthcare_ops.operations.watch import Watch

    objects_of(state)
    settings, site = read_settings(state), read_toml(state / SITE_FILE, Site)
    ending = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.set())

    def tell(event: Mapping[str, Any]) -> None:
        text = json.dumps({"schema_version": 1, **event}) if as_json else inert(_sentence(event))
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    with open_engine(state, role=SERVING) as engine:
        keep = timedelta(days=settings.keep_runs_days)
        postman = Postman(Post(state))
        looks: dict[str, Look] = {
            "watching": Watch(state),
            "incidents": Remedies(state, Incidents(state), engine),
            "notifications": postman,
        }
        service = Service(engine, schedules_of(settings, site.tz), keep, tell, looks=looks)
        tell({"event": "up", "facility": site.name, "next_due": service.next_due().isoformat()})
        while not ending.is_set():
            service.step()
            ending.wait(_LOOK_EVERY_S)
        left = sorted(engine.durable.live())
        service.see("notifications", lambda now, tallies: postman.close())
    tell({"event": "down", "left": left})


def simulate(
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="First operational day.", show_default=False)],
    last: Annotated[str, typer.Option("--to", metavar="DAY", help="Last operational day.", show_default=False)],
    site: Annotated[
        Path | None,
        typer.Option(
            "--site", help="Site of a synthetic hospital that delivers, or of --replay; default: nothing comes."
        ),
    ] = None,
    parameters: Annotated[
        Path | None, typer.Option("--parameters", help="Its demand, staff, care and beds; see `hops generate`.")
    ] = None,
    scenario: Annotated[Path | None, typer.Option("--scenario", help="Its reporting and faults.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same deliveries.")] = 1,
    feed: Annotated[
        str,
        typer.Option(
            "--feed", metavar="FEED", help="What comes: `encounters` or `events`; with --replay, a feed file."
        ),
    ] = "events",
    every: Annotated[
        int | None,
        typer.Option(
            "--every",
            min=1,
            metavar="MIN",
            help="Minutes between deliveries; default: 15, with --replay what the feed file says, up to a day.",
        ),
    ] = None,
    replay: Annotated[
        list[Path] | None,
        typer.Option("--replay", metavar="FILE", help="Deliver the records of files of your own, by their times."),
    ] = None,
    files: Annotated[list[Path] | None, typer.Argument(help="More files to replay.", show_default=False)] = None,
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Let days go by as fast as the machine allows: schedules, runs, and somebody who delivers.

    That is a synthetic hospital, whose deliveries and the truth behind them lie in the state directory's `synthetic/`;
    or, with --replay, files of one's own: each record comes with the first delivery after the latest time it names.
    Every run takes the instant at which it is due for the present. The state directory of a hospital is refused: give
    one that is not there yet. A day of 96 ticks takes a minute or two. For files of one's own add
    `--feed ed.toml --replay ed.csv`.

    Example: hops simulate --from 2026-03-01 --to 2026-03-02 --site site.toml --state drill
    """
    from datetime import timedelta

    from healthcare_ops.core.civil_time import day_start
    from healthcare_ops.core.config import SITE_FILE
    from healthcare_ops.core.errors import StepError
    from healthcare_ops.core.site import Site
    from healthcare_ops.core.validated import read_toml
    from healthcare_ops.entrypoints.cli.failures import show_result
    from healthcare_ops.operations.follow import SyntheticHospital
    from healthcare_ops.operations.generate import Order
    from healthcare_ops.operations.replay import ReplayOrder, plan_replay
    from healthcare_ops.operations.simulate import Deliverer
    from healthcare_ops.operations.simulate import simulate as let_go_by

    begin, end = day(first, "--from"), day(last, "--to")
    if end < begin:
        raise typer.BadParameter(f"{last} is before --from {first}.", param_hint="--to")
    _check_feed(feed, replay, files, of_hospital=parameters or scenario)
    if not site:
        objects_of(state)
    zone = read_toml(site or state / SITE_FILE, Site).tz
    since, until = day_start(begin, zone), day_start(end + timedelta(days=1), zone)
    with steps("simulate") as progress:
        deliverer: Deliverer | None = None
        if replay:
            asked = ReplayOrder(Path(feed), site, [*replay, *(files or ())], since, until, every)
            deliverer = plan_replay(asked, progress)
        elif site:
            order = Order(
                site,
                state / "synthetic",
                begin,
                end,
                seed=seed,
                parameters_file=parameters,
                scenario_file=scenario,
                feeds=(cast("FeedName", feed),),
                every_min=every or _SYNTHETIC_MIN,
            )
            deliverer = SyntheticHospital(order, until)
        done = let_go_by(state, since, until, deliverer, progress)
    bad = [event for event in done.events if event["event"] == "ended" and event["status"] != "SUCCEEDED"]
    troubles = [event for event in done.events if event["event"] == "trouble"]
    document = {
        "from": first,
        "to": last,
        "runs": {name: dict(counts) for name, counts in done.counts.items()},
        "unsuccessful": bad,
        "troubles": troubles,
        "alarms": [event for event in done.events if event["event"] == "alarm"],
        "delivered": done.delivered,
        "feeds": done.feeds,
    }
    failure = None
    if troubles:
        failure = StepError(f"{troubles[0]['what']}: {troubles[0]['cause']}", next_step="Mend it, and simulate anew.")
    if bad:
        failure = StepError(
            f"{len(bad)} runs did not succeed; the first: {bad[0]['run_id']}: {bad[0]['cause']}",
            next_step=f"hops runs show {bad[0]['run_id']} --state {shlex.quote(str(state))}",
        )
    show_result(document, failure, as_json=as_json, show=_print_simulated)


def _check_feed(feed: str, replay: list[Path] | None, files: list[Path] | None, *, of_hospital: Path | None) -> None:
    """Refuse options that speak of a synthetic hospital and of files of one's own at once."""
    if files and not replay:
        raise typer.BadParameter(f"{files[0]} goes with --replay.", param_hint="FILES")
    if replay and feed in _SYNTHETIC_FEEDS:
        raise typer.BadParameter("give the feed file by which the files are read.", param_hint="--feed")
    if replay and of_hospital:
        raise typer.BadParameter(f"{of_hospital} is of a synthetic hospital, and --replay has none.")
    if not replay and feed not in _SYNTHETIC_FEEDS:
        names = " or ".join(_SYNTHETIC_FEEDS)
        raise typer.BadParameter(f"{feed!r} is not {names}; a feed file goes with --replay.", param_hint="--feed")


def _print_simulated(document: Mapping[str, Any]) -> None:
    kinds = ("started", "SUCCEEDED", "FAILED", "TIMED_OUT", "skipped", "missed")
    rows = [[name, *(counts.get(kind, 0) for kind in kinds)] for name, counts in document["runs"].items()]
    out = console()
    out.print(table(f"Runs from {document['from']} to {document['to']}", ["type", *(k.lower() for k in kinds)], rows))
    delivered = document["delivered"] or {}
    if "replayed" in delivered:
        out.print(_replayed(delivered), markup=False)
    if document["feeds"]:
        out.print(accounts(document["feeds"]))
    refused = delivered.get("refused", [])
    if refused:
        rows = [[item["feed_id"], item["source_file"], item["reason"]] for item in refused[:_SHOWN]]
        out.print(table(f"Not taken into raw: {len(refused)} files", ["feed", "file", "reason"], rows))
    for run in document["unsuccessful"][:_SHOWN]:
        out.print(f"{run['run_id']} {run['status']} at {run['failed_state']}: {run['cause']}", markup=False)


def _replayed(delivered: Mapping[str, Any]) -> str:
    """Return in one line what came of files of one's own."""
    kinds = (
        ("already_delivered", "were there already"),
        ("earlier", "of the time before, with the first"),
        ("without_time", "without a time, with the first"),
        ("later", "come later than these days"),
    )
    rest = "".join(f"; {delivered[kind]:,} {text}" for kind, text in kinds if delivered[kind])
    return (
        f"replayed {delivered['replayed']:,} of {delivered['records']:,} records in {delivered['deliveries']:,} "
        f"deliveries, every {delivered['every_min']:,} min{rest}"
    )


def schedule(state: State = DEFAULT_STATE, as_json: Json = False) -> None:
    """Show when each type of run is due next, how the last one went, and how many were skipped or missed.

    Example: hops schedule
    """
    from datetime import UTC, datetime

    from healthcare_ops.core.config import SITE_FILE, read_settings
    from healthcare_ops.core.site import Site
    from healthcare_ops.core.validated import read_toml
    from healthcare_ops.operations.history import read_runs
    from healthcare_ops.operations.requests import is_served
    from healthcare_ops.operations.schedules import Tally, schedules_of
    from healthcare_ops.operations.service import read_tallies

    objects = objects_of(state)
    site = read_toml(state / SITE_FILE, Site)
    now = datetime.now(UTC)
    tallies, runs = read_tallies(objects), read_runs(objects)
    rows = []
    for one in schedules_of(read_settings(state), site.tz):
        tally = tallies.get(one.run_type, Tally(until=""))
        last = next((run for run in runs if run.run_type == one.run_type), None)
        rows.append(
            {
                "run_type": one.run_type,
                "next_due": one.next(now).isoformat(),
                "next_local": f"{one.next(now).astimezone(site.tz):%a %Y-%m-%d %H:%M}",
                "last_run": last.run_id if last else "",
                "last_status": last.status if last else "",
                "started": tally.started,
                "skipped": tally.skipped,
                "missed": tally.missed,
            }
        )
    serving = is_served(state)
    if as_json:
        emit_json({"zone": site.zone, "is_up": serving, "schedules": rows})
        return
    shown = ["run_type", "next_local", "last_run", "last_status", "started", "skipped", "missed"]
    columns = ["type", f"next ({site.zone})", "last run", "status", "started", "skipped", "missed"]
    console().print(table("Schedules", columns, [[row[name] for name in shown] for row in rows]))
    if not serving:
        console().print("nobody keeps them: start `hops up`", markup=False)


def _sentence(event: Mapping[str, Any]) -> str:
    """Return an event as a line for people."""
    match event["event"]:
        case "up":
            return f"{event['facility']} is up; the next run is due at {event['next_due']}. Ctrl-C ends it."
        case "down":
            left = f"; left unfinished: {', '.join(event['left'])}" if event["left"] else ""
            return f"down{left}"
        case "started" | "ended" | "lost":
            return f"{event['run_id']} {_became(event)}"
        case "trouble":
            return f"trouble with {event['what']}: {event['cause']}"
        case "skipped" | "missed":
            return f"{event['run_type']}: {event['count']} {event['event']} until {event['until']}"
        case _:
            return _seen(event)


def _became(event: Mapping[str, Any]) -> str:
    """Return what became of a run."""
    match event["event"]:
        case "started":
            return "started"
        case "ended":
            why = f" at {event['failed_state']}: {event['cause']}" if event["failed_state"] else ""
            return f"{event['status']} after {event['took_s']} s{why}"
        case _:
            return f"ended, and its record is lost: {event['cause']}"


def _seen(event: Mapping[str, Any]) -> str:
    """Return what a look at the platform found, or who was told of it."""
    match event["event"]:
        case "alarm":
            of = f" of {', '.join(event['of'].values())}" if event["of"] else ""
            return f"alarm {event['alarm']}{of}: {event['state']} (was {event['was']}): {event['reason']}"
        case "incident":
            return f"incident {event['incident']} {event['what']}: hops incidents show {event['incident']}"
        case "notified":
            detail = f"; {event['detail']}" if event["detail"] else ""
            return f"told {event['channel']}: {event['notices']} notices{detail}"
        case _:
            dead = f"; {event['dead']} are dead: hops notify retry" if event["dead"] else ""
            return f"{event['channel']} was not told of {event['notices']} notices: {event['cause']}{dead}"
