"""The page's words in English and Brazilian Portuguese, and how each writes numbers and dates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, tzinfo

from healthcare_ops.core.incident import Incident
from healthcare_ops.core.language import Language, Text, as_written, day_in, month_in, text_in
from healthcare_ops.core.reasons import Reason
from healthcare_ops.entrypoints.page.quality_texts import QUALITY_PAIRS, TERMINAL_PAIRS
from healthcare_ops.incidents.wording.names import STATES
from healthcare_ops.operations.caution import CAUTIONS, Caution, CautionCode
from healthcare_ops.operations.incident_words import said
from healthcare_ops.pipeline.quality.wording.texts import REASONS

_PAIRS: Mapping[str, Text] = {
    "subtitle": ("Patient flow from {first} to {last}", "Fluxo de pacientes de {first} a {last}"),
    "as_of": ("data as of", "dados até"),
    "accepted": ("records accepted", "registros aceitos"),
    "of_delivered": ("of {count} delivered", "de {count} entregues"),
    "held": ("held in quarantine", "retidos em quarentena"),
    "hours": ("hours of operation", "horas de operação"),
    "risk": ("data-quality risk", "risco de qualidade"),
    "of_100": ("of 100", "de 100"),
    "skill": ("error against last week's hour", "erro frente à semana anterior"),
    "skill_note": ("absolute error, all leads", "erro absoluto, todos os horizontes"),
    "next_day": ("arrivals expected in 24 h", "chegadas esperadas em 24 h"),
    "next_hour": ("next full hour: {mean}", "próxima hora cheia: {mean}"),
    "all_sectors": ("all sectors", "todos os setores"),
    "year": ("The period at a glance", "O período em resumo"),
    "arrivals_day": ("Arrivals per day", "Chegadas por dia"),
    "waits_day": ("Wait until care, minutes", "Espera até o atendimento, minutos"),
    "occupied_day": ("Patients present", "Pacientes presentes"),
    "per_day": ("day", "dia"),
    "seven_days": ("mean of seven days", "média de sete dias"),
    "mean": ("mean", "média"),
    "p90": ("90th percentile", "percentil 90"),
    "day_mean": ("mean of the day", "média do dia"),
    "day_highest": ("highest of the day", "máximo do dia"),
    "capacity": ("capacity", "capacidade"),
    "week": ("The last week and the next two days", "A última semana e os próximos dois dias"),
    "fan_arrivals": ("Arrivals per hour", "Chegadas por hora"),
    "fan_occupancy": ("Patients present", "Pacientes presentes"),
    "fan_queue": ("Waiting for care", "À espera de atendimento"),
    "fan_wait": ("Wait of who arrives, minutes", "Espera de quem chega, minutos"),
    "fan_nedocs": ("NEDOCS", "NEDOCS"),
    "crowding": ("How crowded the emergency sectors are", "Lotação dos setores de emergência"),
    "seen": ("seen", "observadas"),
    "forecast_mean": ("forecast", "previstas"),
    "middle_50": ("middle 50 %", "50 % centrais"),
    "middle_90": ("middle 90 %", "90 % centrais"),
    "now": ("now", "agora"),
    "heat": ("Arrivals per hour of the week", "Chegadas por hora da semana"),
    "no_arrivals": (
        "Nobody came here first; patients are moved here from other sectors.",
        "Ninguém chegou primeiro aqui; os pacientes vêm de outros setores.",
    ),
    "forecast": ("Forecast", "Previsão"),
    "no_forecast": (
        "No forecast: a model needs 21 days of history. Run `hops run --type weekly_train`.",
        "Sem previsão: um modelo precisa de 21 dias de histórico. Execute `hops run --type weekly_train`.",
    ),
    "made_at": ("made on", "feita em"),
    "sector": ("Sector", "Setor"),
    "ahead": ("Ahead", "Horizonte"),
    "next_full_hour": ("next full hour", "próxima hora cheia"),
    "hour": ("Hour", "Hora"),
    "expected_and_interval": ("Expected, and the middle 90 %.", "Esperado e os 90 % centrais."),
    "backtest": ("How good the forecasts were", "Quão boas foram as previsões"),
    "backtest_note": (
        "{origins} forecasts of 49 hours each, made only with what was known then, against “the same hour last "
        "week”. MAPE leaves out hours without arrivals; its floor is the error of who knew the true rate.",
        "{origins} previsões de 49 horas cada, feitas só com o que se sabia então, frente a “a mesma hora da semana "
        "anterior”. O MAPE exclui horas sem chegadas; o piso é o erro de quem soubesse a taxa verdadeira.",
    ),
    "lead": ("Lead", "Horizonte"),
    "all": ("all", "todos"),
    "error": ("Mean error", "Erro médio"),
    "naive": ("last week", "semana anterior"),
    "yesterday": ("yesterday", "ontem"),
    "floor": ("floor", "piso"),
    "cover": ("In 90 % interval", "No intervalo de 90 %"),
    "cover_pit": ("calibrated", "calibrado"),
    "bias": ("Bias", "Viés"),
    "better": ("Probably better", "Provavelmente melhor"),
    "evaluation": ("Forecasts tried on a history", "Previsões testadas em um histórico"),
    "evaluation_note": (
        "Learnt from what was known before {train_end} ({clock}), then {refit}; no forecast knew what came after it.",
        "Aprendido com o que se sabia antes de {train_end} ({clock}), depois {refit}; nenhuma previsão viu o que veio.",
    ),
    "refit_never": ("never again", "nunca mais"),
    "refit_every": ("again every {period}", "de novo a cada {period}"),
    "typical_fan": ("A typical forecast, made on {moment}", "Uma previsão típica, feita em {moment}"),
    "worst_fan": ("The worst forecast, made on {moment}", "A pior previsão, feita em {moment}"),
    "error_by_lead": ("Mean error by hours ahead", "Erro médio por horizonte"),
    "error_by_hour": ("Mean error by hour of the day", "Erro médio por hora do dia"),
    "pit": (
        "Where what came stood in its forecast (each of 20 parts should hold 5 %)",
        "Onde o ocorrido ficou na previsão (cada uma das 20 partes deveria ter 5 %)",
    ),
    "coverage_by_lead": (
        "Share of hours within the 90 % interval by hours ahead, calibrated for whole numbers",
        "Parcela das horas no intervalo de 90 % por horizonte, calibrada para números inteiros",
    ),
    "this_model": ("forecast", "previsão"),
    "accounts": ("Every record accounted for", "Cada registro contabilizado"),
    "feed": ("Feed", "Fonte"),
    "delivered": ("delivered", "entregues"),
    "applied": ("applied", "aplicados"),
    "superseded": ("superseded", "substituídos"),
    "duplicate": ("duplicate", "duplicados"),
    "quarantined": ("quarantined", "em quarentena"),
    "ignored": ("ignored", "ignorados"),
    "reason": ("Reason", "Motivo"),
    "records": ("Records", "Registros"),
    "meaning": ("Meaning", "Significado"),
    "quality": ("Data-quality findings", "Achados de qualidade"),
    "rule": ("Rule", "Regra"),
    "verdict": ("Verdict", "Veredito"),
    "violations": ("Violations", "Violações"),
    "checked": ("Checked", "Verificados"),
    "severity": ("If broken", "Se violada"),
    "severity_warn": ("warns", "alerta"),
    "severity_fail": ("stops the run", "interrompe a execução"),
    "pass": ("pass", "aprovado"),
    "warn": ("warning", "alerta"),
    "fail": ("failed", "reprovado"),
    "not_applicable": ("not delivered", "não entregue"),
    "judged": ("{first} to {last}", "{first} a {last}"),
    "nothing_to_judge": ("nothing to judge", "nada a avaliar"),
    "look": ("Where to look", "Onde olhar"),
    "table": ("Table", "Tabela"),
    "rows": ("Rows", "Linhas"),
    "folder": ("Folder", "Pasta"),
    "model": ("Model in use", "Modelo em uso"),
    **QUALITY_PAIRS,
    **TERMINAL_PAIRS,
}
_CAUTIONS_PT: Mapping[CautionCode, tuple[str, str]] = {
    CautionCode.DATA_OLD: (
        "os dados mais novos da fonte {feed_id} têm {age}; ela deve entregar a cada {every} e atrasa após {late}.",
        "Peça a {owner} as entregas que faltam; o que se prevê de dados velhos é impreciso.",
    ),
    CautionCode.HISTORY_SHORT: (
        "conhecem-se chegadas de {days} dias sem lacuna; uma previsão precisa de {needed} para saber o nível usual.",
        "Carregue mais histórico, ou tome as previsões como imprecisas.",
    ),
    CautionCode.MODEL_UNTESTED: (
        "o modelo de {sectors} aprendeu com {days} dias, poucos para testá-lo.",
        "Tome suas previsões como imprecisas; treine de novo com mais histórico: `hops run --type weekly_train`.",
    ),
    CautionCode.FORECAST_PAST: (
        "todas as horas da previsão mais nova já passaram; ela foi feita em {made_at}.",
        "Execute `hops predict`.",
    ),
    CautionCode.NOT_BUILT_AGAIN: (
        "mudou {files}, e {days} dias ainda estão como o arquivo anterior os construiu.",
        "Execute `{command}`.",
    ),
    CautionCode.NO_RECORDS: (
        "nenhuma entrega tem registros de {days}; ali nada foi construído.",
        "Verifique os dias; se os arquivos ainda estão por vir, receba-os com `hops ingest` e execute de novo.",
    ),
    CautionCode.NOT_TAKEN_AGAIN: (
        "{file} contém bytes já entregues como {batch_id}; não é recebido de novo, e as entregas desde então ({later}) "
        "valem.",
        "Se ele deve substituir o que dizem, a fonte precisa de um horário de versão: mapeie `columns.version_time`.",
    ),
    CautionCode.REPORT_OLD: (
        "o relatório de qualidade mais novo ({run_id}) foi escrito por uma versão anterior do produto.",
        "Execute `hops dq check`; até lá só se mostram seus vereditos e contagens.",
    ),
    CautionCode.TRAINING_MISSED: (
        "o treinamento previsto para domingo, {due}, não ocorreu; o modelo em uso nada sabe após {learnt} (há {age}).",
        "Execute `hops run --type weekly_train`; `hops up` o faz todo domingo.",
    ),
    CautionCode.TRAINING_FAILED: (
        "o treinamento previsto para domingo, {due}, falhou ({run_id}: {reason}); o modelo em uso nada sabe após "
        "{learnt} (há {age}).",
        "Veja `hops runs show {run_id}`; depois execute `hops run --type weekly_train`.",
    ),
    CautionCode.TRAINING_LATE: (
        "o treinamento previsto para domingo, {due}, está atrasado: {run_id} começou em {began} e não terminou; o "
        "modelo em uso nada sabe após {learnt} (há {age}).",
        "Veja `hops runs show {run_id}`; se travou, `hops runs stop {run_id}` e depois `hops run --type weekly_train`.",
    ),
    CautionCode.CLOCK_IN_DOUBT: (
        "o relógio da fonte {feed_id} está em dúvida: as chegadas de {day} parecem deslocadas em {offset} h (avaliação "
        "de há {age}).",
        "Veja `hops dq explain {rule_id}`; horas e previsões dessa fonte podem estar deslocadas na mesma medida.",
    ),
    CautionCode.CLOCKS_APART: (
        "os relógios das fontes {feed_id} e {other_feed_id} estão em dúvida: nos atendimentos de {day} que ambas "
        "informam, diferem em {offset} h (avaliação de há {age}).",
        "Veja `hops dq explain {rule_id}`; horas e previsões de uma delas podem estar deslocadas na mesma medida.",
    ),
    CautionCode.DAYS_HELD: (
        "a qualidade dos dados retém {days} antes da camada gold (avaliação de há {age}); o que se mostra disso é "
        "anterior, ou falta.",
        "Veja `hops dq show`.",
    ),
    CautionCode.GAP_ACCEPTED: (
        "{by} aceitou {rule_id} de {days} como está; horas e previsões se apoiam no que foi entregue.",
        "Veja `hops audit show`; quando o resto for entregue, retire a aceitação com `{command}`.",
    ),
    CautionCode.REGRESSOR_UNKNOWN: (
        "o modelo em uso aprendeu com previsões de {name}, e de nenhuma hora por vir se conhece uma (a última é de "
        "{until}); ele prevê sem elas.",
        "Receba previsões mais novas com `hops regressors add`; veja `hops regressors list`.",
    ),
    CautionCode.NEVER_TRAINED: (
        "o treinamento previsto para domingo, {due}, falhou ({run_id}: {reason}), e não há modelo em uso.",
        "Veja `hops runs show {run_id}`; depois execute `hops run --type weekly_train`.",
    ),
}
# Values of cautions that name days: in digits, as runs, or with a time.
_OF_DAYS = frozenset({"day", "days", "due", "began", "learnt", "until", "made_at"})
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def _in_portuguese(name: str, text: str) -> str:
    """Return a value of a caution as Portuguese writes it."""
    if name == "offset":
        return as_written(text.replace("-", "−"), "pt-BR")
    if name not in _OF_DAYS or not _DAY.search(text):
        return text
    told = _DAY.sub(lambda found: day_in(date.fromisoformat(found[0]), "pt-BR"), text)
    return re.sub(r"(\d+) more$", r"mais \1", told.replace(" to ", " a "))


_WEEKDAYS = {
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "pt-BR": ("seg", "ter", "qua", "qui", "sex", "sáb", "dom"),
}


class Words:
    """One language: texts by key, numbers and dates as it writes them."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def __call__(self, key: str, **values: str) -> str:
        """Return a text with its places filled."""
        return text_in(_PAIRS[key], self.language).format(**values)

    def reason(self, code: str) -> str:
        """Return the meaning of a reason code of quarantine."""
        return text_in(REASONS[Reason(code)], self.language)

    def caution(self, caution: Caution) -> str:
        """Return what there is to know and what to do, as two sentences."""
        words, values = CAUTIONS, dict(caution.values)
        if self.language == "pt-BR":
            words, values = _CAUTIONS_PT, {name: _in_portuguese(name, text) for name, text in values.items()}
        message, next_step = (text.format(**values) for text in words[caution.code])
        return f"{message[0].upper()}{message[1:]} {next_step}"

    def incident(self, incident: Incident, zone: tzinfo) -> str:
        """Return an incident's id, state and cause; instants are of the zone."""
        cause = incident.diagnosis.get("cause")
        told = f": {said(cause, self.language, zone)}" if cause else ""
        return f"{incident.incident_id} ({text_in(STATES[incident.state], self.language)}){told}"

    def number(self, value: float | None, digits: int = 0) -> str:
        """Return a number with separators; a dash for null."""
        if value is None:
            return "–"
        return as_written(f"{value:,.{digits}f}".replace("-", "−"), self.language)

    def measure(self, value: float | None) -> str:
        """Return a number with as many decimals as tell it from its limit, at most six; a dash for null."""
        digits = 0 if value is None or value == int(value) else 6 if abs(value) < 1 else 4
        text = self.number(value, digits)
        return text.rstrip("0").rstrip(".,") if digits else text

    def span(self, minutes: float) -> str:
        """Return a duration in the unit that people would use."""
        if minutes < 120:
            return f"{self.number(minutes)} min"
        return f"{self.number(minutes / 60)} h" if minutes < 48 * 60 else f"{self.number(minutes / 1440)} d"

    def share(self, value: float | None, digits: int = 0) -> str:
        """Return a share as per cent."""
        return "–" if value is None else f"{self.number(value * 100, digits)} %"

    def day_in_digits(self, value: date) -> str:
        """Return a day in digits."""
        return day_in(value, self.language)

    def day(self, value: date) -> str:
        """Return a day."""
        month = self.month(value.month)
        return (
            f"{value.day} {month} {value.year}" if self.language == "en" else f"{value.day} de {month}. de {value.year}"
        )

    def day_of_month(self, value: date) -> str:
        """Return a day without its year, short."""
        return f"{value.day} {self.month(value.month)}"

    def instant(self, value: datetime) -> str:
        """Return a day and time in UTC; the value is aware."""
        utc = value.astimezone(UTC)
        return f"{self.day(utc)}, {utc:%H:%M} UTC"

    def moment(self, value: datetime) -> str:
        """Return a weekday, day and time."""
        return f"{self.weekday(value.weekday())} {value.day} {self.month(value.month)}, {value:%H:%M}"

    def weekday(self, number: int) -> str:
        """Return a weekday's short name, Monday = 0."""
        return _WEEKDAYS[self.language][number]

    def month(self, number: int) -> str:
        """Return a month's short name, January = 1."""
        return month_in(number, self.language)
