"""All commands of `hops`; each loads what it needs only when it runs, so that help is quick."""

from __future__ import annotations

import logging
import os

import typer

from healthcare_ops.core.errors import ConfigError
from healthcare_ops.entrypoints.cli import (
    alarms,
    asl,
    audit,
    demo,
    drift,
    drill,
    evaluate,
    feeds,
    forecasts,
    generate,
    history,
    incidents,
    lake,
    metrics,
    models,
    notify,
    quality,
    regressors,
    report,
    runs,
    secrets,
    service,
    setup,
)
from healthcare_ops.entrypoints.cli.options import DEFAULT_LOG_LEVEL, LOG_LEVELS

app = typer.Typer(
    name="hops",
    help="Run a hospital's patient-flow data operation: ingest, refine, guard, forecast, explain.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (
    demo.demo,
    setup.init,
    setup.doctor,
    lake.load,
    lake.ingest,
    lake.backfill,
    runs.run,
    runs.redrive,
    service.up,
    service.schedule,
    service.simulate,
    drill.drill,
    runs.status,
    forecasts.predict,
    evaluate.evaluate,
    drift.drift,
    metrics.metrics,
    alarms.alarms,
    incidents.complaint,
    report.report,
    lake.export,
    setup.version,
):
    app.command()(_command)
app.add_typer(feeds.feed_app, name="feed")
app.add_typer(feeds.site_app, name="site")
app.add_typer(quality.app, name="dq")
app.add_typer(generate.app, name="generate")
app.add_typer(history.app, name="runs")
app.add_typer(models.app, name="models")
app.add_typer(regressors.app, name="regressors")
app.add_typer(asl.app, name="asl")
app.add_typer(audit.app, name="audit")
app.add_typer(incidents.app, name="incidents")
app.add_typer(notify.app, name="notify")
app.add_typer(secrets.app, name="secrets")


@app.callback()
def configure() -> None:
    """Run a hospital's patient-flow data operation: ingest, refine, guard, forecast, explain."""
    level = os.environ.get("HOPS_LOG") or DEFAULT_LOG_LEVEL
    if level.lower() not in LOG_LEVELS:
        raise ConfigError(f"HOPS_LOG is {level!r}, which is not a level.", next_step=f"Use {', '.join(LOG_LEVELS)}.")
    logging.basicConfig(level=level.upper(), format="%(levelname)s %(name)s %(message)s")
