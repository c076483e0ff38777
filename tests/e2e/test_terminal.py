"""Progress and colour: on a terminal, and nowhere else."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import re
import subprocess

import pytest

from e2e.command import PROGRAM, environment
from e2e.deliveries import ACCOUNT
from healthcare_ops.entrypoints.cli.output import console, steps, table

# SGR sequences that set a colour: 30–38, 40–48, 90–97, 100–107, alone or after other attributes.
COLOUR = re.compile(rb"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[;m]")


def run_on_a_terminal(*arguments):
    """Run the command with stderr on a terminal of its own; return its exit code, stdout and what was shown."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [PROGRAM, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment(TERM="xterm-256color", COLUMNS="100", LINES="30"),
    ) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # Linux says so when the last writer has gone
            while block := os.read(ours, 65_536):
                shown += block
        os.close(ours)
        out = process.stdout.read()
    return process.returncode, out, shown


@pytest.fixture
def ingest(hops, desk):
    """Return the arguments of a command that takes long enough for progress."""
    hops("init", "--site", desk.site, "--feed", desk.feed, "--state", desk.state)
    return ["ingest", desk.visits, "--feed", "visits", "--state", desk.state, "--json"]


def test_on_a_terminal_there_is_a_bar_with_the_step_in_colour_and_results_stay_clean(ingest):
    exit_code, out, shown = run_on_a_terminal(*ingest)

    assert exit_code == 0
    assert json.loads(out)["jobs"]["ingest_bronze"]["records"] == ACCOUNT["delivered"]
    assert "━".encode() in shown
    assert b"ingest: ingest_bronze" in shown
    assert COLOUR.search(shown)


class Screen(io.StringIO):
    """A terminal within this process."""

    def isatty(self):
        return True


@pytest.mark.parametrize("settings", [{}, {"NO_COLOR": "1"}], ids=["usually", "with NO_COLOR"])
def test_no_color_is_honoured(monkeypatch, settings):
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    progress, results = Screen(), Screen()

    with contextlib.redirect_stderr(progress), contextlib.redirect_stdout(results):
        with steps("load", 2) as step:
            step("reading")
        console().print(table("Tables", ["table", "rows"], [["silver.encounters", 60]]))

    assert "load: reading" in progress.getvalue()
    assert "silver.encounters" in results.getvalue()
    assert bool(COLOUR.search(progress.getvalue().encode())) == (not settings)
    assert COLOUR.search(results.getvalue().encode()) is None  # tables have no colours to lose


def test_without_a_terminal_there_is_neither_progress_nor_an_escape_sequence(hops, ingest):
    for_machines = hops(*ingest)
    for_people = hops(*ingest[:-1])

    assert (for_machines.exit_code, for_machines.err) == (0, "")
    assert (for_people.exit_code, for_people.err) == (0, "")
    assert "\x1b" not in for_machines.out + for_people.out
