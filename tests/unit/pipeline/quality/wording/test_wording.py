from __future__ import annotations

import re
from string import Formatter

import pytest

from healthcare_ops.core.language import LANGUAGES, as_written, text_in
from healthcare_ops.core.reasons import FileFault
from healthcare_ops.core.tables import MILESTONES
from healthcare_ops.pipeline.quality.rules.checks import shipped_rules
from healthcare_ops.pipeline.quality.wording.causes import diagnosis_of
from healthcare_ops.pipeline.quality.wording.feeds import diagnosis, facts_of, next_steps
from healthcare_ops.pipeline.quality.wording.findings import has_facts, next_step_of, sentence_of
from healthcare_ops.pipeline.quality.wording.rules import SHIPPED_PT, rule_text
from healthcare_ops.pipeline.quality.wording.texts import FAULTS, MILESTONES_PT, REASONS, ROWS, TEXTS
from unit.pipeline.quality.wording.sections import (
    MISTAKES,
    clock,
    feed,
    figure,
    late,
    missing,
    refused,
    report_of_every_kind,
    shift,
    silence,
)

ACCOUNTS = "ops.batch_accounts"


def places(text):
    """Return the names of the places of a text that are to be filled."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("key", TEXTS)
def test_both_languages_of_a_text_tell_of_the_same_facts(key):
    english, portuguese = TEXTS[key]

    assert places(english) == places(portuguese)
    assert english != portuguese


def test_every_reason_file_fault_table_and_milestone_has_its_portuguese():
    pairs = [*REASONS.values(), *FAULTS.values(), *ROWS.values()]

    assert all(english != portuguese for english, portuguese in pairs)
    assert MILESTONES_PT.keys() == set(MILESTONES)


def test_what_a_shipped_rule_says_has_its_portuguese_and_nothing_else_has():
    text = "".join(shipped_rules().values())

    said = set(re.findall(r'"(?:reason|next_step)"="([^"]*)"', text))

    assert said == SHIPPED_PT.keys()
    assert len(said) > 30


def test_what_a_site_says_in_a_rule_of_its_own_stays_in_its_words():
    assert rule_text("a bed per patient", "pt-BR") == "a bed per patient"
    assert rule_text("one row per event", "en") == "one row per event"


@pytest.mark.parametrize(
    ("section", "english", "portuguese"),
    [
        (
            figure(),
            "PS has 12 arrivals from 14:00 to 20:00; 40 expected (30–1,200) for a Saturday.",
            "Setor PS, chegadas das 14:00 às 20:00: 12; o esperado era 40 (30–1.200) para um sábado.",
        ),
        (
            figure(by="feed_id", place="visits", end="2026-03-08T14:00:00", observed=1.5, is_holiday=True),
            "Feed visits has 1.5 arrivals on 07 March 2026; 40 expected (30–1,200) for a public holiday.",
            "Fonte visits, chegadas em 07/03/2026: 1,5; o esperado era 40 (30–1.200) para um feriado.",
        ),
        (
            missing(end="2026-03-08T00:00:00"),
            "PS: 12 of 60 arrivals from 14:00 to 24:00 are without care_start 24 hours later; 40 expected (30–1,200) "
            "for a Saturday.",
            "Setor PS: 12 de 60 chegadas das 14:00 às 24:00 sem care_start 24 horas depois; o esperado era 40 "
            "(30–1.200) para um sábado.",
        ),
        (
            figure("nulls", ACCOUNTS, by="feed_id", place="visits", column="quarantined", rows=60.0),
            "Feed visits: 12 of 60 records on 07 March 2026 are held; 40 expected (30–1,200) for a Saturday.",
            "Fonte visits: 12 de 60 registros em 07/03/2026 retidos em quarentena; o esperado era 40 (30–1.200) para "
            "um sábado.",
        ),
        (
            figure("mean", column="los_min", rows=60.0, observed=9000.0),
            "PS: los_min of 60 arrivals from 14:00 to 20:00 is typically 9,000; 40 expected (30–1,200) for a Saturday. "
            "Seconds and minutes may be mistaken.",
            "Setor PS: o valor típico de los_min em 60 chegadas das 14:00 às 20:00 é 9.000; o esperado era 40 "
            "(30–1.200) para um sábado. Pode haver troca entre segundos e minutos.",
        ),
        (
            silence(),
            "Feed visits told of no arrivals from Saturday 14:00 to 20:00; 40 were expected in that time (up to 1,200 "
            "is usual).",
            "Fonte visits não informou chegadas de sábado, 14:00, até 20:00; o esperado nesse período era 40 (até "
            "1.200 é usual).",
        ),
        (
            silence(is_over=False),
            "Feed visits has told of no arrivals for 6 hours, since Saturday 14:00; 40 were due in that time (up to "
            "1,200 is usual).",
            "Fonte visits não informa chegadas há 6 horas, desde sábado, 14:00; deviam ter chegado 40 nesse período "
            "(até 1.200 é usual).",
        ),
        (
            silence(is_over=False, pending=182.0),
            "Feed visits has told of no arrivals for 6 hours, since Saturday 14:00; 40 were due in that time (up to "
            "1,200 is usual); 182 more may only be late.",
            "Fonte visits não informa chegadas há 6 horas, desde sábado, 14:00; deviam ter chegado 40 nesse período "
            "(até 1.200 é usual); mais 182 podem estar só atrasados.",
        ),
        (
            clock(MISTAKES[0], MISTAKES[1], witness="lag"),
            "arrivals of feed visits look shifted by −3 h, as if UTC times had been read as America/Sao_Paulo or a "
            "clock of Europe/Stockholm had not been put forward on 2026-03-29 (by their lag only)",
            "as chegadas da fonte visits parecem deslocadas em −3 h, como se horários de UTC tivessem sido lidos como "
            "de America/Sao_Paulo ou um relógio de Europe/Stockholm não tivesse sido adiantado em 29/03/2026 (só pelo "
            "atraso com que chegam os registros)",
        ),
        (
            shift(),
            "the clocks of feeds flow and visits disagree: triage_start in visits is +3.5 h off arrival in flow, in 62 "
            "encounters that both tell of",
            "os relógios das fontes flow e visits divergem: entre a chegada em flow e o início da triagem em visits há "
            "um desvio de +3,5 h, em 62 atendimentos que ambas informam",
        ),
        (
            {**refused(), "rule": "refused"},
            "file visits-07.csv was refused on 2026-03-08 07:05 UTC: line 67: a record in it cannot be read: it has "
            "too many or too few values or quotes",
            "o arquivo visits-07.csv foi recusado em 08/03/2026 07:05 UTC: linha 67: um registro não pode ser lido: "
            "tem valores ou aspas a mais ou a menos",
        ),
        (
            {**refused(FileFault.FILE_EMPTY, None), "rule": "refused"},
            "file visits-07.csv was refused on 2026-03-08 07:05 UTC: it is empty",
            "o arquivo visits-07.csv foi recusado em 08/03/2026 07:05 UTC: está vazio",
        ),
    ],
)
def test_a_finding_is_the_same_sentence_in_both_languages(section, english, portuguese):
    assert [sentence_of(section, language) for language in LANGUAGES] == [english, portuguese]


@pytest.mark.parametrize("section", [figure(), silence(), clock()], ids=["figure", "silence", "clock"])
def test_a_finding_of_a_report_of_before_has_not_the_facts(section):
    kept = {name: value for name, value in section.items() if name not in ("is_holiday", "witness")}

    assert has_facts(section)
    assert not has_facts(kept)


@pytest.mark.parametrize(
    ("section", "found", "how", "what_to_do"),
    [
        (feed(), {}, "Nestes dias, todos os registros foram contabilizados, nenhum em quarentena.", ""),
        (
            feed(delay=late(None), counts=dict.fromkeys(feed()["counts"], 0)),
            {},
            "Há muito tempo nada chega. Nestes dias, nenhum registro foi entregue.",
            "Pergunte a Lab (lab@hospital.example) por que nada chega.",
        ),
        (
            feed(delay=late("2026-03-01T06:00:00+00:00")),
            {"clocks": [clock()]},
            "Em 07/03/2026, as chegadas da fonte visits parecem deslocadas em −3 h. Nada chegou desde 01/03/2026 06:00 "
            "UTC. Nestes dias, todos os registros foram contabilizados, nenhum em quarentena.",
            "Compare `zone` e os horários da fonte visits com o relógio de Lab. Pergunte a Lab (lab@hospital.example) "
            "por que nada chega.",
        ),
        (
            feed(
                quarantined_by_reason={"TIME_UNREADABLE": 6, "SECTOR_UNKNOWN": 30},
                counts=feed()["counts"] | {"quarantined": 36},
                refused_files=[refused(FileFault.FILE_EMPTY, None)] * 5,
            ),
            {},
            "O arquivo visits-07.csv foi recusado em 08/03/2026 07:05 UTC: está vazio. "
            * 3
            + "Mais 2 arquivos foram recusados. Nestes dias, 36 de 1.340 registros estão retidos, a maioria por isto: "
            "o local não corresponde a um setor de site.toml.",
            "Peça de novo a Lab (lab@hospital.example) os arquivos visits-07.csv, visits-07.csv, visits-07.csv, …; se "
            "o erro está na configuração da fonte, corrija-a e carregue os arquivos outra vez. Envie a Lab a lista de "
            "`hops dq quarantine`.",
        ),
    ],
)
def test_how_a_feed_does_and_what_to_do_is_said_in_portuguese(section, found, how, what_to_do):
    facts = facts_of(section, found)

    assert (diagnosis(facts, "pt-BR"), next_steps(facts, "pt-BR")) == (how, what_to_do)


def test_a_report_of_every_kind_uses_every_text():
    report = report_of_every_kind()
    told = [one["sentence"] for name in ("expectations", "clocks", "shifts") for one in report[name]]
    told += [one["next_step"] for one in report["clocks"] if one["verdict"] == "fail"]
    told += [section[name] for section in report["feeds"] for name in ("diagnosis", "next_step")]
    told += [cause[name] for cause in report["causes"] for name in ("sentence", "diagnosis", "next_step")]
    told.append(next_step_of({"rule": "refused"}))
    told += [rule["fault"] for rule in report["rules"] if "fault" in rule]
    few = {"missing_arrivals": 200, "late_arrivals": 182, "missing_h": 27.0}
    told.append(diagnosis_of({**few, "explains": ["a", "b"]}))

    parts = {
        key: [part for part in re.split(r"\{[^}]*\}", english) if part.strip()] for key, (english, _) in TEXTS.items()
    }

    unused = {key for key, texts in parts.items() if not all(any(text in one for one in told) for text in texts)}
    assert unused == set()


def test_a_number_is_written_as_the_language_does():
    assert [as_written("1,234.5", language) for language in LANGUAGES] == ["1,234.5", "1.234,5"]
    assert [text_in(("a", "b"), language) for language in LANGUAGES] == ["a", "b"]
