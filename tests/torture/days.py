"""A small hospital's day, prepared up to the moment before each of the commands that are to die."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import random
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from databases import copy_database
from healthcare_ops.bootstrap.platform import open_platform
from healthcare_ops.core.clock import AsOfClock
from healthcare_ops.core.config import SETTINGS_FILE
from healthcare_ops.core.tables import TABLES
from healthcare_ops.entrypoints.cli.app import app
from healthcare_ops.operations import bulk
from hospital import FLOW, SITE, VISITS, event, visit, write_rows

HOPS = (sys.executable, "-c", "from healthcare_ops.entrypoints.cli import program; program()")
_DAY = date(2026, 3, 10)
_HISTORY_DAYS = 24  # a model needs 21
_EVE, _MORNING, _NOON, _SUNDAY = (
    f"2026-03-{moment}-03:00" for moment in ("10T05:00", "11T05:00", "11T12:00", "15T05:00")
)

Tables = Mapping[str, list[list[str]]]


@dataclass(frozen=True)
class Act:
    """A command that is to die and to be taken up again.

    `run_type` is empty if it is not a run. With `own_from` it is another act's until its first change of that part.
    """

    name: str
    arguments: tuple[str, ...]
    run_type: str = ""
    own_from: str = ""


ACTS = (
    Act("ingest", ("ingest", "--feed", "visits", "--as-of", _MORNING, "visits-1.csv")),
    Act("daily", ("run", "--type", "daily", "--date", _DAY.isoformat(), "--as-of", _MORNING), "daily"),
    Act("inference", ("run", "--type", "inference", "--as-of", _NOON), "inference"),
    Act("weekly_train", ("run", "--type", "weekly_train", "--as-of", _SUNDAY), "weekly_train", "model"),
)


def hops(*arguments: Any) -> dict[str, Any]:
    """Run a command in this process and return its one JSON document."""
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert result.exit_code == 0, f"hops {' '.join(map(str, arguments))}: {result.output} {result.exception!r}"
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def write_inbox(inbox: Path) -> None:
    """Write what the hospital's systems deliver: a history, a day, and a few hours."""
    inbox.mkdir(parents=True)
    for name, text in (("site", SITE), ("visits", VISITS), ("flow", FLOW)):
        (inbox / f"{name}.toml").write_text(text)
    luck = random.Random(7)
    history = [_DAY - timedelta(days=back) for back in range(_HISTORY_DAYS, 0, -1)]

    def visits(day: date, count: int) -> list[dict[str, Any]]:
        return [
            visit(f"V-{day}-{n}", f"{day}T{luck.randrange(20):02d}:{luck.randrange(60):02d}:00") for n in range(count)
        ]

    def flow(day: date, count: int) -> list[dict[str, Any]]:
        moves = (("IN", 5, "ED"), ("MD", 7, None), ("MOVE", 9, "WARD"), ("OUT", 15, None))
        return [
            event(f"F-{day}-{n}", code, f"{day}T{hour + n:02d}:10:00", place=place)
            for n in range(count)
            for code, hour, place in moves
        ]

    write_rows(inbox / "visits-0.csv", [row for day in history for row in visits(day, 8)])
    write_rows(inbox / "flow-0.ndjson", [row for day in history for row in flow(day, 2)])
    late = visit(
        f"V-{history[-1]}-0", f"{history[-1]}T09:00:00", left=f"{history[-1]}T16:00:00", changed=f"{_DAY}T23:00"
    )
    held = visit(f"V-{_DAY}-X", f"{_DAY}T09:00:00", place="NOWHERE")
    write_rows(inbox / "visits-1.csv", [*visits(_DAY, 8), late, held])
    write_rows(inbox / "flow-1.ndjson", flow(_DAY, 3))
    write_rows(inbox / "flow-2.ndjson", flow(_DAY + timedelta(days=1), 2))


class Lane:
    """A place where one command at a time dies: a state directory that is put back as it was, always at one path.

    Tables name their files by their whole path, so that a copy elsewhere would not do. With the URL of a PostgreSQL
    server the steps of runs are in a database there, which is named after the folder and put back as well.
    """

    def __init__(self, folder: Path, secrets: Path | None = None, server_url: str = "") -> None:
        self.folder = folder
        self.state = folder / "state"
        self._server_url = server_url
        self._database = f"lane_{folder.name.lower()}"
        self._inbox = folder / "inbox"
        write_inbox(self._inbox)
        if secrets:
            shutil.copytree(secrets, self.state / "secrets")

    def init(self) -> None:
        """Make the state directory, with a key unless it has one."""
        feeds = [part for name in ("visits", "flow") for part in ("--feed", self._inbox / f"{name}.toml")]
        hops("init", "--site", self._inbox / "site.toml", *feeds, "--state", self.state)
        if self._server_url:
            copy_database(self._server_url, "template0", self._database)
            (self.state / SETTINGS_FILE).write_text(f'database_url = "{self._server_url}/{self._database}"\n')

    def prepare(self, acts: tuple[Act, ...] = ACTS) -> None:
        """Bring the state to the moment before each act, in their order, and keep it."""
        self.init()
        for name in ("visits-0.csv", "flow-0.ndjson"):
            feed = self._inbox / f"{name.partition('-')[0]}.toml"
            hops("load", "--feed", feed, "--state", self.state, "--as-of", _EVE, self._inbox / name)
        self.finish(Act("first model", ("run", "--type", "weekly_train", "--as-of", _EVE)))
        for act in acts:
            if act.name == "inference":
                self._land("flow", "flow-2.ndjson")
            elif act.name == "daily":
                # To be found in raw by the run: nothing of it is in the lake yet.
                self._land("visits", "visits-1.csv")
                self._land("flow", "flow-1.ndjson")
            self._keep(act.name)
            if act.run_type and act != acts[-1]:
                self.finish(act)

    def _land(self, feed: str, name: str) -> None:
        clock = AsOfClock(datetime.fromisoformat(_MORNING if name != "flow-2.ndjson" else _NOON))
        path = self._inbox / name
        with open_platform(self.state, clock) as platform:
            bulk.land(platform, platform.context.feeds[feed], {path: bulk.sha256_of(path)})

    def _keep(self, name: str) -> None:
        shutil.copytree(self.state, self.folder / "kept" / name, symlinks=True)
        if self._server_url:
            copy_database(self._server_url, self._database, f"{self._database}_{name}")

    def restore(self, act: Act) -> None:
        """Put the state directory, and the steps of its runs, back to the moment before the act."""
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.copytree(self.folder / "kept" / act.name, self.state, symlinks=True)
        if self._server_url:
            copy_database(self._server_url, f"{self._database}_{act.name}", self._database)

    def begin(self, act: Act, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start the act in a process group of its own."""
        files = {path.name: str(path) for path in self._inbox.iterdir()}
        arguments = [*(files.get(part, part) for part in act.arguments), "--state", str(self.state)]
        return self.start(arguments, environment)

    @staticmethod
    def start(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command in a process group of its own."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [*HOPS, *arguments],
            env=environment,
            start_new_session=True,
            stdout=pipe,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, act: Act) -> None:
        """Carry out the act, undisturbed."""
        said, code = self.ended(self.begin(act))
        assert code == 0, said

    @staticmethod
    def ended(process: subprocess.Popen[str]) -> tuple[str, int]:
        """Wait for the end of a process and of its children, which have its output in common."""
        said, _ = process.communicate(timeout=120)
        return said, process.returncode

    def tables(self) -> Tables:
        """Return the rows of every table, as they are exported."""
        found = {}
        for table in TABLES:
            out = self.folder / "export.csv"
            hops("export", table.id, "--out", out, "--state", self.state)
            with out.open(newline="") as stream:
                found[table.id] = list(csv.reader(stream))
        return found

    def objects(self) -> dict[str, Any]:
        """Return what else must be as if nothing had happened: raw files, and the models with their history."""
        raw, models = self.state / "raw", self.state / "models"
        facts = {str(path.relative_to(raw)): json.loads(path.read_text()) for path in sorted(raw.glob("*/dt=*/*.json"))}
        hashes = {
            str(path.relative_to(self.state)): hashlib.sha256(_content(path)).hexdigest()
            for path in [*raw.rglob("*"), *models.rglob("*")]
            if path.is_file() and not path.name.startswith(".") and path.parent.name != "pins"
        }
        return {"deliveries": facts, "hashes": hashes}


def _content(path: Path) -> bytes:
    """Return a file without what tells of a run and its instant: the pin of a model, since when it is in use."""
    if path.name == "manifest.json":
        return json.dumps(json.loads(path.read_bytes()) | {"pin": ""}).encode()
    if path.name == "in_use.json":
        uses = json.loads(path.read_bytes())["uses"]
        return json.dumps([[use["version"], use["by"], use["reason"]] for use in uses]).encode()
    return path.read_bytes()


def differences(found: Tables, expected: Tables) -> list[str]:
    """Return in which tables rows differ, numbers by more than 1e-9."""
    return [name for name, rows in expected.items() if not _same(found[name], rows)]


def _same(left: list[list[str]], right: list[list[str]]) -> bool:
    if left == right:
        return True
    return len(left) == len(right) and all(
        len(mine) == len(theirs) and all(map(_is_equal, mine, theirs)) for mine, theirs in zip(left, right, strict=True)
    )


def _is_equal(mine: str, theirs: str) -> bool:
    if mine == theirs:
        return True
    try:
        return math.isclose(float(mine), float(theirs), rel_tol=0, abs_tol=1e-9)
    except ValueError:
        return False
