"""Settings of one state directory, read once from `settings.toml`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from healthcare_ops.core.validated import Strict, holds_password, read_toml

SETTINGS_FILE = "settings.toml"
SITE_FILE = "site.toml"
FEEDS_DIR = "feeds"
RULES_DIR = "rules"
# The secret that turns identifiers into pseudonyms: a key and its id.
PSEUDONYM_KEY = "pseudonymisation"
_TIME_OF_DAY = "^([01][0-9]|2[0-3]):[0-5][0-9]$"


class Settings(Strict):
    """Every setting with its unit and default; an absent file means the defaults."""

    engine: Literal["duckdb"] = Field(default="duckdb", description="Where Ibis expressions run.")
    memory_limit_mb: int = Field(default=1500, ge=256, description="Memory of the engine before it spills to disk.")
    threads: int = Field(default=0, ge=0, description="Threads of the engine; 0 = every core.")
    database_url: str = Field(
        default="",
        pattern=r"^$|^postgresql(\+psycopg)?://",
        description="PostgreSQL for the steps of runs, without a password; empty = a file of the state directory.",
    )
    inference_every_min: Literal[5, 10, 15, 20, 30, 60] = Field(default=15, description="Minutes between two ticks.")
    daily_at: str = Field(
        default="04:00", pattern=_TIME_OF_DAY, description="When the last closed day is run, in the site's time."
    )
    weekly_train_at: str = Field(
        default="05:00", pattern=_TIME_OF_DAY, description="When models are trained on Sundays, in the site's time."
    )
    keep_runs_days: int = Field(default=30, ge=15, description="Days for which runs and their logs are kept.")
    keep_metrics_days: int = Field(default=30, ge=8, description="Days for which metrics are kept.")
    keep_snapshots: int = Field(default=20, ge=2, description="Untagged snapshots kept per table.")
    horizon_h: int = Field(default=48, ge=1, le=48, description="Farthest hour of a forecast.")
    forecast_until_h: int = Field(
        default=24, ge=1, le=120, description="Age of data, in hours, from which on a sector is not forecast."
    )
    train_days: int = Field(default=1826, ge=21, description="Longest history a model is trained on, in days.")

    @model_validator(mode="after")
    def _keeps_no_password(self) -> Self:
        if holds_password(self.database_url):
            raise ValueError("`database_url` holds a password; leave it to PGPASSWORD or ~/.pgpass")
        return self


def read_settings(state: Path) -> Settings:
    """Return the settings of the state directory; `ConfigError` names key, value and file."""
    path = state / SETTINGS_FILE
    return read_toml(path, Settings) if path.exists() else Settings()
