from __future__ import annotations

import io
import sys

import pytest

from healthcare_ops.entrypoints.cli.waiting import patience_of


class Screen(io.StringIO):
    def __init__(self, is_terminal):
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self):
        return self._is_terminal


@pytest.mark.parametrize(
    ("is_terminal", "says"),
    [(True, "hops: x is in use by process 7. Waiting for it, up to 60 s.\n"), (False, "")],
    ids=["a person", "a machine"],
)
def test_a_person_is_told_for_whom_a_command_waits(monkeypatch, is_terminal, says):
    monkeypatch.setattr(sys, "stderr", Screen(is_terminal))

    patience = patience_of(60.0)
    patience.tell("x is in use by process 7.")

    assert (patience.wait_s, sys.stderr.getvalue()) == (60.0, says)
