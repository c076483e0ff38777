from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from healthcare_ops.core.tables import TABLES
from healthcare_ops.entrypoints.cli.app import app
from hospital import FLOW, SITE, VISITS, event, visit, write_rows

pytestmark = pytest.mark.slow

HOPS = (sys.executable, "-c", "from healthcare_ops.entrypoints.cli import main; main()")
KILLS = 3


def ok(*arguments):
    """Run a command in this process and return its one JSON document."""
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


@dataclass(frozen=True)
class Load:
    """A bulk load of a few files, which can be begun on any state of the same hospital."""

    inbox: Path

    def begin(self, state: Path, feed: str) -> subprocess.Popen[bytes]:
        files = sorted(self.inbox.glob(f"{feed}-*"))
        options = ("--feed", self.inbox / f"{feed}.toml", "--state", state, "--as-of", "2026-03-13T15:00:00-03:00")
        command = [*HOPS, "load", *map(str, (*options, *files))]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def finish(self, state: Path) -> float:
        """Load both feeds to the end and return how many seconds the longer one took."""
        took = []
        for feed in ("visits", "flow"):
            begun = time.monotonic()
            process = self.begin(state, feed)
            said, _ = process.communicate(timeout=300)
            assert process.returncode == 0, said.decode()
            took.append(time.monotonic() - begun)
        return max(took)


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    inbox = tmp_path_factory.mktemp("inbox")
    for name, text in (("site", SITE), ("visits", VISITS), ("flow", FLOW)):
        (inbox / f"{name}.toml").write_text(text)
    luck = random.Random(7)
    for number in range(3):
        rows = [
            visit(f"V-{luck.randrange(120)}", f"2026-03-{luck.randint(1, 12):02d}T{luck.randrange(20):02d}:15:00")
            for _ in range(80)
        ]
        write_rows(inbox / f"visits-{number}.csv", rows)
    events = [
        event(f"F-{number}", code, f"2026-03-{1 + number % 12:02d}T{hour:02d}:00:00", place=place)
        for number in range(40)
        for code, hour, place in (("IN", 8, "ED"), ("MD", 9, None), ("MOVE", 11, "WARD"), ("OUT", 19, None))
    ]
    write_rows(inbox / "flow-0.ndjson", events)
    return Load(inbox)


@pytest.fixture(scope="module")
def new_state(load, tmp_path_factory):
    """Return a function that makes a state directory; all have one key, so that pseudonyms agree."""
    first = tmp_path_factory.mktemp("states") / "first"
    feeds = [part for name in ("visits", "flow") for part in ("--feed", load.inbox / f"{name}.toml")]
    ok("init", "--site", load.inbox / "site.toml", *feeds, "--state", first)

    def make(name):
        return shutil.copytree(first, first.with_name(name))

    return make


def rows_of(state: Path, folder: Path) -> dict[str, list[dict[str, object]]]:
    """Export every table and return its rows, numbers to nine places."""
    found = {}
    for table in TABLES:
        out = folder / f"{state.name}-{table.id}.ndjson"
        ok("export", table.id, "--out", out, "--state", state)
        lines = out.read_text().splitlines()
        found[table.id] = [json.loads(line, parse_float=lambda text: round(float(text), 9)) for line in lines]
    return found


@pytest.fixture(scope="module")
def undisturbed(load, new_state, tmp_path_factory):
    """Return the rows of a load that nothing disturbed, and how long it took."""
    state = new_state("undisturbed")
    took_s = load.finish(state)
    return rows_of(state, tmp_path_factory.mktemp("exports")), took_s


@pytest.mark.parametrize("seed", range(4))
def test_a_load_killed_at_any_moment_and_begun_again_gives_the_rows_of_one_that_was_not(
    load, new_state, undisturbed, tmp_path, seed
):
    rows, reach_s = undisturbed
    luck = random.Random(seed)

    def kill(state):
        """Kill a load of the state at some moment within reach; tell whether it was still at work."""
        process = load.begin(state, luck.choice(("visits", "visits", "flow")))
        time.sleep(luck.uniform(0.2, 1.0) * reach_s)
        process.kill()
        process.communicate()
        return process.returncode == -signal.SIGKILL

    def reads(state):
        """Tell whether a table can be read, whatever was committed by then, with the rows that the state names."""
        sizes = {size["table"]: size["rows"] for size in ok("status", "--state", state)["tables"]}
        table = luck.choice(TABLES).id
        exported = ok("export", table, "--out", tmp_path / "part.ndjson", "--state", state)
        return exported["rows"] == sizes.get(table, 0)

    state = new_state(f"killed-{seed}")
    while not kill(state):  # done before it was killed, on a machine that has less to do now: sooner, on a new state
        reach_s /= 2
        state = new_state(f"{state.name}-sooner")
    readable = [reads(state)]
    for _ in range(KILLS - 1):
        kill(state)
        readable.append(reads(state))
    load.finish(state)

    assert readable == [True] * KILLS
    assert rows_of(state, tmp_path) == rows
    assert sum(map(len, rows.values())) > 1000
