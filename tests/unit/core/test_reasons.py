from __future__ import annotations

import re

from healthcare_ops.core.reasons import EXPLANATIONS, Reason


def test_every_reason_is_explained_and_nothing_else_is():
    assert set(EXPLANATIONS) == set(Reason)


def test_no_two_reasons_are_explained_alike():
    assert len(set(EXPLANATIONS.values())) == len(Reason)


def test_an_explanation_ends_a_sentence_that_says_because():
    assert [text for text in EXPLANATIONS.values() if not re.fullmatch(r"[a-z].*[^.\s]", text)] == []


def test_a_reason_reads_in_reports_as_it_is_named():
    assert [reason for reason in Reason if reason.value != reason.name] == []
