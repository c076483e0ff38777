"""Why the product's own rules are there and what to do when they break, in Portuguese.

A rule says both in English, in its labels, and a report keeps these words: the words themselves are what is looked up.
So a rule of a site, or one of the product's that a site worded anew, is shown as the site wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from healthcare_ops.core.language import Language
from healthcare_ops.pipeline.quality.wording.findings import say

SHIPPED_PT: Mapping[str, str] = {
    # Reasons.
    "every delivered record is kept once": "cada registro entregue é guardado uma única vez",
    "a file tells each record once; equal rows are counted once, and dropped besides": (
        "um arquivo informa cada registro uma só vez; de linhas iguais, uma é contada e as demais são descartadas"
    ),
    "a record that names no encounter cannot be followed": (
        "não é possível acompanhar um registro que não indica o atendimento"
    ),
    "a record without its time has no day": "um registro sem horário não pertence a nenhum dia",
    "a place is a code, and no text about a patient": "um local é um código, não um texto sobre um paciente",
    "a bed is a code, and no text about a patient": "um leito é um código, não um texto sobre um paciente",
    "records that are held are missing from every count": "os registros retidos faltam em todas as contagens",
    "a mapping that fits hardly any record is wrong": (
        "um mapeamento que não serve a quase nenhum registro está errado"
    ),
    "of a day of a feed more records are held than ever should be": (
        "nenhum dia de uma fonte deveria ter tantos registros retidos"
    ),
    "one row per encounter, or every count is wrong": "uma linha por atendimento; senão, toda contagem fica errada",
    "an encounter without arrival has no day": "um atendimento sem chegada não pertence a nenhum dia",
    "nobody arrives after now": "ninguém chega depois de agora",
    "so many arrivals after now are a clock, zone or mapping": (
        "tantas chegadas depois de agora indicam erro de relógio, de fuso horário ou de mapeamento"
    ),
    "triage_level is delivered, so most encounters should have it": (
        "triage_level é informado pela fonte; a maioria dos atendimentos deveria tê-lo"
    ),
    "care_start is delivered, so most encounters should have it": (
        "care_start é informado pela fonte; a maioria dos atendimentos deveria tê-lo"
    ),
    "discharge_time is delivered, so most encounters should have it": (
        "discharge_time é informado pela fonte; a maioria dos atendimentos deveria tê-lo"
    ),
    "outcomes are the platform's own codes": "os desfechos são códigos da própria plataforma",
    "triage levels are 1 (most urgent) to 5": "os níveis de triagem vão de 1 (mais urgente) a 5",
    "a wait or stay would be negative": "uma espera ou permanência seria negativa",
    "hardly anybody waits longer than a day": "quase ninguém espera mais de um dia",
    "hardly anybody stays longer than two weeks": "quase ninguém permanece mais de duas semanas",
    "one row per event": "uma linha por evento",
    "event types are the platform's milestones": "os tipos de evento são os marcos da plataforma",
    "every event belongs to an encounter": "todo evento pertence a um atendimento",
    "a patient comes to one place at a time": "um paciente chega a um só local de cada vez",
    "every stay belongs to an encounter": "toda permanência pertence a um atendimento",
    "a stay would be negative": "uma permanência seria negativa",
    # Next steps.
    "Rebuild the days with `hops backfill --from-raw`; if it stays, report a defect.": (
        "Reconstrua os dias com `hops backfill --from-raw`; se persistir, relate o defeito."
    ),
    "Rebuild the days with `hops backfill`; if it stays, report a defect.": (
        "Reconstrua os dias com `hops backfill`; se persistir, relate o defeito."
    ),
    "Ask the supplier whether the extract joins tables that multiply its rows.": (
        "Pergunte ao fornecedor se a extração junta tabelas que multiplicam as linhas."
    ),
    "Compare columns.encounter_id in the feed file with the delivered columns.": (
        "Compare columns.encounter_id na configuração da fonte com as colunas entregues."
    ),
    "Compare columns.arrival_time in the feed file with the delivered columns.": (
        "Compare columns.arrival_time na configuração da fonte com as colunas entregues."
    ),
    "Compare columns.event_time in the feed file with the delivered columns.": (
        "Compare columns.event_time na configuração da fonte com as colunas entregues."
    ),
    "Compare columns.sector in the feed file with the delivered columns.": (
        "Compare columns.sector na configuração da fonte com as colunas entregues."
    ),
    "Compare columns.bed in the feed file with the delivered columns.": (
        "Compare columns.bed na configuração da fonte com as colunas entregues."
    ),
    "Compare values.triage_level in the feed file.": "Compare values.triage_level na configuração da fonte.",
    "Read the reasons with `hops dq quarantine`; correct the feed file, or contact the supplier.": (
        "Veja os motivos com `hops dq quarantine`; corrija a configuração da fonte ou contate o fornecedor."
    ),
    "Have the supplier correct these visits; if there are many, check the feed's zone.": (
        "Peça ao fornecedor que corrija esses atendimentos; se forem muitos, verifique o fuso horário da fonte."
    ),
    "Check the feed's zone and plausible range against the supplier's clock.": (
        "Compare o fuso horário e o intervalo plausível da fonte com o relógio do fornecedor."
    ),
    "Check the feed's zone and the unit of its times against the supplier's clock.": (
        "Compare o fuso horário e a unidade dos tempos da fonte com o relógio do fornecedor."
    ),
    "Contact the feed's supplier with file and record numbers.": (
        "Contate o fornecedor da fonte, indicando arquivo e número dos registros."
    ),
}


def rule_text(text: str, language: Language) -> str:
    """Return a reason or next step of a rule in a language; what a site wrote itself stays as it is."""
    return SHIPPED_PT.get(text, text) if language == "pt-BR" else text


def fault_text(rule: Mapping[str, Any], language: Language = "en") -> str:
    """Return why a rule of a report could not be judged; without the facts, as the report has it in English."""
    if "fault_code" not in rule:
        return str(rule["fault"])
    key = f"fault_{rule['fault_code']}"
    return say(key, language, table=rule["table"], line=rule["fault_line"], detail=rule["fault_detail"])


def rule_step(rule: Mapping[str, Any], language: Language) -> str:
    """Return what to do about a rule of a report, as `rule_text` has it."""
    if "fault" in rule:
        return say("next_fault", language, table=rule["table"])
    return rule_text(rule["next_step"], language)
