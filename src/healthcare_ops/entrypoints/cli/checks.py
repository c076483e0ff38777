"""What `hops doctor` looks at."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from healthcare_ops.core.config import SITE_FILE, read_settings
from healthcare_ops.core.errors import ConfigError, OpsError
from healthcare_ops.entrypoints.cli.failures import describe

_MIN_FREE_GB = 1.0
_PACKAGES = ("ibis-framework", "duckdb", "pyiceberg", "pyarrow", "numpy")


@dataclass(frozen=True)
class Check:
    """One thing looked at."""

    name: str
    is_ok: bool
    detail: str


def run_checks(state: Path) -> list[Check]:
    """Return every check; none of them changes anything."""
    checks = [
        Check("Python ≥ 3.11", sys.version_info >= (3, 11), sys.version.split()[0]),
        *(_package(name) for name in _PACKAGES),
        _disk(state),
    ]
    if not (state / SITE_FILE).exists():
        return [*checks, Check("state directory", False, f"{state} has no {SITE_FILE}; run `hops init`")]
    return [*checks, *(_attempt(name, look) for name, look in _state_checks(state))]


def _package(name: str) -> Check:
    try:
        return Check(name, True, version(name))
    except PackageNotFoundError:
        return Check(name, False, "not installed; run `make demo` or `pip install healthcare-ops`")


def _disk(state: Path) -> Check:
    place = next(path for path in (state.resolve(), *state.resolve().parents) if path.exists())
    free = shutil.disk_usage(place).free / 1e9
    return Check("disk space", free >= _MIN_FREE_GB, f"{free:,.1f} GB free at {place}")


def _state_checks(state: Path) -> list[tuple[str, Callable[[], str]]]:
    from healthcare_ops.adapters.local_secrets import LocalSecrets
    from healthcare_ops.bootstrap.configuration import read_feeds
    from healthcare_ops.bootstrap.platform import open_platform
    from healthcare_ops.core.clock import SystemClock
    from healthcare_ops.core.notification_file import read_notifications
    from healthcare_ops.core.site import Site
    from healthcare_ops.core.tables import TABLES
    from healthcare_ops.core.validated import read_toml
    from healthcare_ops.jobs.ingest_bronze import read_pseudonymiser

    def key() -> str:
        with open_platform(state, exclusive=False) as platform:
            return f"key id {read_pseudonymiser(platform.context.secrets).key_id}"

    def lake() -> str:
        with open_platform(state, exclusive=False) as platform:
            built = [table.id for table in TABLES if platform.lake.changes(table, "").days]
            return f"{len(built)} of {len(TABLES)} tables hold rows"

    def feeds() -> str:
        return ", ".join(read_feeds(state, read_toml(state / SITE_FILE, Site))) or "none yet; add one with `hops load`"

    def channels() -> str:
        named = read_notifications(state).channels
        known = set(LocalSecrets(state / "secrets", SystemClock()).names())
        lacking = sorted({secret for one in named for secret in one.secrets} - known)
        if lacking:
            raise ConfigError(f"secret {lacking[0]!r} is not set.", next_step=f"Run `hops secrets set {lacking[0]}`.")
        return ", ".join(one.name for one in named) or "none: nobody is told of alarms"

    return [
        ("settings", lambda: f"engine {read_settings(state).engine}"),
        ("site", lambda: read_toml(state / SITE_FILE, Site).facility_id),
        ("feeds", feeds),
        ("pseudonymisation key", key),
        ("lake", lake),
        ("notifications", channels),
    ]


def _attempt(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except OpsError as error:
        return Check(name, False, str(error))
    except Exception as error:  # noqa: BLE001  # whatever is broken, the other checks are still worth knowing
        return Check(name, False, describe(error)["message"])
