from __future__ import annotations

import re

import pytest

from healthcare_ops.core.reasons import EXPLANATIONS, FILE_FAULTS, FileFault, Reason

of_both_kinds = pytest.mark.parametrize(("kind", "words"), [(Reason, EXPLANATIONS), (FileFault, FILE_FAULTS)])


@of_both_kinds
def test_every_reason_is_explained_and_nothing_else_is(kind, words):
    assert set(words) == set(kind)


@of_both_kinds
def test_no_two_reasons_are_explained_alike(kind, words):
    assert len(set(words.values())) == len(kind)


@of_both_kinds
def test_an_explanation_ends_a_sentence_that_says_because(kind, words):
    assert [text for text in words.values() if not re.fullmatch(r"[a-z].*[^.\s]", text)] == []


@of_both_kinds
def test_a_reason_reads_in_reports_as_it_is_named(kind, words):
    assert [reason for reason in kind if reason.value != reason.name] == []
