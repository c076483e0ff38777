"""Everything that is said of incidents stands in English and in Brazilian Portuguese, of the same facts."""

import re
from datetime import UTC
from pathlib import Path
from string import Formatter
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

import healthcare_ops.incidents as package
from healthcare_ops.core.language import LANGUAGES
from healthcare_ops.incidents.actions import action_rules
from healthcare_ops.incidents.diagnosis import Check, Fault, Phrase
from healthcare_ops.incidents.evidence import Asked, ChangeKind, Lacking, TrainingStatus, Unchecked
from healthcare_ops.incidents.playbooks.hypotheses import unchecked
from healthcare_ops.incidents.playbooks.inc_02 import NAMED
from healthcare_ops.incidents.wording.names import ASKED, CHANGES, CHECKS, FAULTS, LACKING, POST_MORTEM, STATES
from healthcare_ops.incidents.wording.say import SAID, TEXTS, say, say_hypothesis, say_unchecked

_CODE = re.compile(r'(?<![f\w])"((?:cause|advice|fact|hyp|decided|finding)_[a-z_]+)"')
TABLES = {
    "texts": TEXTS,
    "states": STATES,
    "faults": FAULTS,
    "checks": CHECKS,
    "asked": ASKED,
    "lacking": LACKING,
    "changes": CHANGES,
    "post-mortem": POST_MORTEM,
}


def _codes():
    text = "".join(path.read_text(encoding="utf-8") for path in Path(package.__path__[0]).glob("[!w]*/*.py"))
    text += "".join(path.read_text(encoding="utf-8") for path in Path(package.__path__[0]).glob("*.py"))
    return set(_CODE.findall(text)) - {SAID, "cause_id"}


def test_every_code_in_the_program_has_a_text():
    codes = _codes()

    assert len(codes) > 60
    assert codes - set(TEXTS) == set()


def test_every_text_is_said_somewhere():
    made = {f"cause_{fault}" for fault in get_args(Fault)} | {f"advice_{fault}" for fault in get_args(Fault)}
    made |= {f"fact_training_{status}" for status in get_args(TrainingStatus)}
    made |= {f"fact_drift_{verdict}" for verdict in ("real_change", "data_fault", "season", "none")}
    made |= {f"finding_{kind}" for kind in ("arrivals", "peak", "spread", "wait", "occupancy")}
    made |= {f"{part}_{name}" for part in ("cause", "advice") for name in ("disk_full", "out_of_memory")}
    made |= {f"cause_training_{code}" for code in ("missed", "failed", "unknown")}
    made |= {f"cause_{code}" for code in NAMED}

    assert set(TEXTS) - made - _codes() == set()


@pytest.mark.parametrize("table", TABLES)
def test_both_languages_are_there_differ_and_name_the_same_facts(table):
    for code, texts in TABLES[table].items():
        english, portuguese = texts
        fields = [sorted(name for _, name, _, _ in Formatter().parse(text) if name) for text in texts]

        assert fields[0] == fields[1], code
        assert english
        if len(english.split()) > 2:
            assert english != portuguese, code


@pytest.mark.parametrize(
    ("table", "kind"),
    [(FAULTS, Fault), (CHECKS, Check), (ASKED, Asked), (LACKING, Lacking), (CHANGES, ChangeKind)],
)
def test_every_word_of_a_kind_has_a_text(table, kind):
    assert set(table) == set(get_args(kind))


def test_every_action_is_told_in_both_languages():
    for rule in action_rules().values():
        assert rule.text("en") != rule.text("pt-BR")


def test_numbers_days_and_instants_are_written_as_the_language_writes_them():
    about = {"run_id": "r", "first": "2026-03-05", "last": "2026-03-11", "score": 78.5}
    made = Phrase("fact_forecast", {"made_at": "2026-03-12T08:05:00+00:00"})

    assert say(Phrase("fact_report", about), "pt-BR") == (
        "Relatório da execução r, dias 05/03/2026 a 11/03/2026: risco 78,5 de 100."
    )
    assert say(made, "pt-BR", ZoneInfo("America/Sao_Paulo")) == "A previsão mais nova foi feita em 12/03/2026 05:05."
    assert say(made, "en", UTC) == "The newest forecast was made on 2026-03-12 08:05."


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_fact_that_is_lacking_is_said_to_be_not_known(language):
    assert say(Phrase("fact_last_good"), language).count({"en": "not known", "pt-BR": "não se sabe"}[language]) == 3


def test_a_code_of_another_release_is_shown_as_it_is():
    assert say(Phrase("hyp_of_tomorrow")) == "hyp_of_tomorrow"


def test_a_hypothesis_says_why_it_could_not_be_checked():
    found = unchecked("hyp_more_data", 0.4)

    assert say_hypothesis(found) == (
        "Far more data came than usual. (could not be checked: the platform cannot see it)"
    )
    assert say_unchecked(Unchecked("log", "unreadable", "daily-1"), "pt-BR") == (
        "o registro da execução daily-1: não pode ser lido"
    )
