"""What must stand nowhere after a run failed: a patient's identifier and a secret, both planted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from e2e.deliveries import NOW, csv_text, visit
from e2e.failing import nowhere_to_report
from healthcare_ops.adapters.local_metrics import METRICS_FOLDER, LocalMetrics
from healthcare_ops.adapters.local_secrets import LocalSecrets
from healthcare_ops.core.clock import SystemClock, VirtualClock
from healthcare_ops.core.emf import Measured, emf_line
from healthcare_ops.core.notification_file import NOTIFICATIONS_FILE
from healthcare_ops.operations.notify import Post
from receivers import http_receiver

PATIENT, TOKEN = "PLANTED-PATIENT-777", "planted-token-777"
CHANNEL = '[[channels]]\nname = "on-call"\nkind = "webhook"\ngroup_s = 0\nurl_secret = "hook"\n'


@contextmanager
def arguments_seen(state: Path) -> Iterator[set[str]]:
    """Gather the arguments of the processes that work on a state directory, as any user of the machine could."""
    seen: set[str] = set()
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(0.05):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    said = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
                except OSError:  # it ended just now
                    continue
                if str(state) in said:
                    seen.add(said)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        is_over.set()
        watcher.join()


def texts_below(folder: Path) -> list[str]:
    return [path.read_bytes().decode(errors="replace") for path in folder.rglob("*") if path.is_file()]


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="what processes are told shows nowhere here")
def test_neither_a_patient_nor_a_secret_is_in_what_an_incident_tells(hops, own_loaded):
    state = ("--state", own_loaded.state)
    start = datetime(2026, 3, 2, 0, 5)  # noqa: DTZ001  # the hospital's wall clock
    planted = [visit(700, start, patient=PATIENT), visit(701, start, patient=PATIENT, place=PATIENT)]
    file = own_loaded.write("planted.csv", csv_text(planted))
    hops("load", file, "--feed", own_loaded.feed, *state, "--as-of", NOW)
    beat = Measured(datetime.now(UTC) - timedelta(minutes=1), {}, {"EvaluatorBeat": 1})
    LocalMetrics(own_loaded.state / METRICS_FOLDER).write([emf_line(beat)])
    with http_receiver() as receiver:
        LocalSecrets(own_loaded.state / "secrets", SystemClock()).put("hook", f"{receiver.url}/{TOKEN}".encode())
        (own_loaded.state / NOTIFICATIONS_FILE).write_text(CHANNEL)
        Post(own_loaded.state).deliver()
        with nowhere_to_report(own_loaded), arguments_seen(own_loaded.state) as arguments:
            failed = hops("run", "--date", "2026-03-01", *state, "--as-of", NOW, HOPS_LOG="debug")
        told = [hops("incidents", "list", *state), hops("incidents", "show", "last", *state)]
        told += [hops("incidents", "show", "last", *state, "--json")]
        told += [hops("incidents", "postmortem", "last", "--lang", lang, *state) for lang in ("en", "pt-BR")]
        Post(own_loaded.state, VirtualClock(datetime.now(UTC) + timedelta(minutes=10))).deliver()
        letters = [str(post) for post in receiver.posts]

    kept = texts_below(own_loaded.state / "ops")
    said = [text for outcome in (failed, *told) for text in (outcome.out, outcome.err)]
    assert any(PATIENT in text for text in texts_below(own_loaded.state / "raw"))
    assert failed.exit_code != 0
    assert any("INC-02-" in text for text in letters)
    assert any("healthcare_ops" in text for text in arguments)
    here = "\n".join((*kept, *said, *arguments))
    assert PATIENT not in here + "\n".join(letters)
    assert TOKEN not in here
