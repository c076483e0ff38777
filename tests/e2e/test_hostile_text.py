"""Text of the data, of file names and of configuration is shown, and never obeyed."""

from __future__ import annotations

import contextlib
import io
import json
from datetime import datetime

import pytest

from e2e.command import run_hops
from e2e.deliveries import FEED, HOSTILE, SITE, changed, csv_text, visit
from healthcare_ops.entrypoints.cli.output import steps

MARKUP = "[/red] [bold]x <script>alert(1)</script>"


def is_inert(text):
    """Tell whether a terminal would show every character, and break lines only where the command did."""
    return all(character.isprintable() or character == "\n" for character in text)


SHOWN = {
    "a facility's name": "status",
    "a feed owner's name": "dq show",
    "a quarantined file's name": "dq quarantine",
    "a folder's name": "init --site {site} --feed {feed}",
    "a delivered file's name": "load {visits} --feed {feed}",
}
EXPECTED = {
    "a facility's name": MARKUP,
    "a feed owner's name": MARKUP,
    "a quarantined file's name": r"visits [red]\x1b[31m*.csv",
    "a folder's name": "Santa Casa's [bold]*state São",
    "a delivered file's name": r"visits [red]\x1b[31m*.csv",
}


@pytest.mark.parametrize("what", SHOWN)
def test_hostile_text_is_shown_to_people_as_it_is_and_does_nothing(hops, own_loaded, what):
    places = {"site": own_loaded.site, "feed": own_loaded.feed, "visits": own_loaded.visits}
    words = [str(places[word[1:-1]]) if word[0] == "{" else word for word in SHOWN[what].split()]

    outcome = hops(*words, "--state", own_loaded.state)

    assert (outcome.exit_code, outcome.err) == (0, "")
    assert EXPECTED[what] in outcome.out
    assert is_inert(outcome.out)


@pytest.fixture(scope="module")
def checks(first_load):
    """Check the hospital's file once for people and once for machines, with every value it holds."""
    desk, _ = first_load
    arguments = ("feed", "check", desk.feed, desk.visits, "--site", desk.site, "--rows", 100)
    return run_hops(*arguments), run_hops(*arguments, "--json")


def test_a_hostile_value_of_a_column_is_shown_by_the_feed_check_and_does_nothing(checks):
    outcome, _ = checks

    shown = "".join(outcome.out.split())  # long values are folded
    assert (outcome.exit_code, len(outcome.err.splitlines())) == (6, 2)
    assert r"\x1b[31mEvil\x1b]0;owned\x07[/red][bold]x<script>alert(1)</script>\x9b2J\u202egnp" in shown
    assert is_inert(outcome.out)


def test_a_machine_gets_the_hostile_value_unchanged_and_escaped(checks):
    _, outcome = checks

    codes = [code["code"] for code in outcome.document["unknown_codes"]]
    assert codes == [HOSTILE]
    assert is_inert(outcome.out)


def test_a_line_feed_in_a_value_does_not_look_like_another_value(hops, desk):
    path = desk.write("v.csv", csv_text([visit(1, datetime(2026, 3, 1), place="PS\nOBS")]))  # noqa: DTZ001  # wall clock

    outcome = hops("feed", "check", desk.feed, path)

    assert r"PS\nOBS" in outcome.out
    assert is_inert(outcome.out)


def test_a_hostile_column_name_in_an_error_does_nothing(hops, desk):
    path = desk.write("v.csv", f"a{HOSTILE},care\n1,2\n")
    options = ("--feed", desk.feed, "--site", desk.site, "--state", desk.state)

    outcome = hops("load", path, *options)
    for_machines = hops("load", path, *options, "--json")

    assert r"it has: a\x1b[31mEvil\x1b]0;owned\x07 [/red] [bold]x" in outcome.message
    assert outcome.next_step
    assert for_machines.document["error"]["message"].endswith(f"it has: a{HOSTILE}, care.")
    assert is_inert(outcome.err)
    assert is_inert(for_machines.out + for_machines.err)


@pytest.mark.parametrize("name", ["a\x1b[2J\nhops: all is well.csv", "[red]a.csv", "a\u202evsc.exe", "../a.csv"])
def test_a_hostile_file_name_in_an_error_stays_on_its_line(hops, desk, name):
    outcome = hops("load", desk.folder / name, "--feed", desk.feed, "--site", desk.site, "--state", desk.state)

    assert outcome.exit_code == 3
    assert outcome.next_step == "Check the path."  # two lines, whatever the name holds
    assert is_inert(outcome.err)
    assert not desk.state.exists()


class ShownText(io.StringIO):
    """A terminal that only remembers."""

    def isatty(self):
        return True


def test_a_hostile_file_name_in_the_progress_does_nothing(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    shown = ShownText()

    with contextlib.redirect_stderr(shown), steps("load", 1) as progress:
        progress("reading a\x1b]0;owned\x07 [/red]\n.csv")

    assert r"load: reading a\x1b]0;owned\x07 [/red]\n.csv" in shown.getvalue()
    assert "\x07" not in shown.getvalue()
    assert "\x1b]" not in shown.getvalue()


def test_a_hostile_value_of_a_key_in_an_error_does_nothing(hops, desk):
    feed = desk.write("feed.toml", changed(FEED, '"csv"', json.dumps(HOSTILE)))
    site = desk.write("site2.toml", changed(SITE, '"America/Sao_Paulo"', json.dumps(HOSTILE)))

    outcomes = [
        hops("load", desk.visits, "--feed", feed, "--site", desk.site, "--state", desk.state),
        hops("init", "--site", site, "--state", desk.state),
    ]

    for outcome in outcomes:
        assert (outcome.exit_code, bool(outcome.next_step)) == (4, True)
        assert MARKUP in outcome.message
        assert is_inert(outcome.err)


def test_no_identifier_of_a_patient_is_shown_or_leaves_raw(hops, loaded, checks, tmp_path):
    state = ("--state", loaded.state)

    outcomes = [
        *checks,
        hops("status", *state, "--json"),
        hops("dq", "show", *state, "--json"),
        hops("export", "bronze.encounters_raw", "--out", tmp_path / "bronze.ndjson", *state),
        hops("export", "silver.encounters", "--out", tmp_path / "silver.csv", *state),
    ]

    texts = [outcome.out + outcome.err for outcome in outcomes]
    texts += [path.read_text(encoding="utf-8") for path in tmp_path.glob("[bs]*")]
    assert [outcome.exit_code for outcome in outcomes] == [6, 6, 0, 0, 0, 0]  # two visits would be held
    assert len(texts) == len(outcomes) + 2
    assert not [text for text in texts if "PATIENT-" in text or "V-1" in text]
    assert "PATIENT-1" in loaded.visits.read_text(encoding="utf-8")
