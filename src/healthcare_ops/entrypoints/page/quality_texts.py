"""The words of data quality on its page and on the terminal, in English and Brazilian Portuguese."""

from __future__ import annotations

from collections.abc import Mapping

from healthcare_ops.core.language import Text

QUALITY_PAIRS: Mapping[str, Text] = {
    "quality_title": ("Data quality", "Qualidade dos dados"),
    "quality_subtitle": (
        "{first} to {last} ({count} with data) · judged on {as_of}",
        "{first} a {last} ({count} com dados) · avaliado em {as_of}",
    ),
    "one_day": ("1 day", "1 dia"),
    "days": ("{count} days", "{count} dias"),
    "run": ("Run", "Execução"),
    "not_judged": ("not judged", "não avaliado"),
    "not_to_the_end": ("not judged to the end", "não avaliado até o fim"),
    "ended_early": (
        "The job ended before all rules were judged, so there is no risk score:",
        "A tarefa terminou antes de avaliar todas as regras; por isso não há pontuação de risco:",
    ),
    "rules_judged": ("rules that had something to judge", "regras com algo a avaliar"),
    "rules_and_past": (
        "rules that had something to judge, and what was found of files, clocks and figures",
        "regras com algo a avaliar e achados sobre arquivos, relógios e números",
    ),
    "counted_fail": ("{count} failed", "reprovadas: {count}"),
    "counted_warn": ("{count} warned", "com alerta: {count}"),
    "counted_pass": ("{count} passed", "aprovadas: {count}"),
    "counted_not_applicable": ("{count} not judged", "não avaliadas: {count}"),
    "means_fail": ("Gold keeps its last state.", "A camada gold mantém seu último estado."),
    "means_error": ("What is below is not all.", "O que está abaixo não é tudo."),
    "means_warn": ("The run went on.", "A execução prosseguiu."),
    "means_pass": ("Every rule that was judged is met.", "Toda regra avaliada foi cumprida."),
    "means_not_applicable": ("No rule had a row to judge.", "Nenhuma regra tinha uma linha a avaliar."),
    "gauge": ("Risk {score} of 100", "Risco {score} de 100"),
    "gauge_floor": (
        "60 and more: something is broken that stops the run",
        "60 ou mais: foi violado algo que interrompe a execução",
    ),
    "why_score": ("What the risk is made of", "Composição do risco"),
    "points": ("Points", "Pontos"),
    "held_share": ("records held in quarantine", "registros retidos em quarentena"),
    "causes": ("What broke, the gravest first", "O que houve, do mais grave ao menos grave"),
    "whose": ("Whose data", "De quem são os dados"),
    "since": ("Since", "Desde"),
    "follows": ("What follows from it", "O que decorre disso"),
    "explained_by": ("Follows from", "Decorre de"),
    "own_past": ("Files, clocks and figures", "Arquivos, relógios e números"),
    "accepted_by_entry": (
        "accepted by {by} on {at} (entry {entry} of the audit log says why)",
        "aceito por {by} em {at} (o registro {entry} da auditoria diz por quê)",
    ),
    "accepted_by": ("accepted by {by} on {at}: {reason}", "aceito por {by} em {at}: {reason}"),
    "not_judgeable": ("Could not be judged", "Não pôde ser avaliada"),
    "broken_rules": ("What broke", "Regras violadas"),
    "nothing_broken": ("No rule is broken.", "Nenhuma regra foi violada."),
    "nothing_broken_yet": (
        "No rule is broken among those that were judged.",
        "Nenhuma regra foi violada entre as que foram avaliadas.",
    ),
    "every_rule": ("Every rule", "Todas as regras"),
    "no_rules": ("No rule was judged.", "Nenhuma regra foi avaliada."),
    "measured": ("Measured", "Medido"),
    "must_be": ("Must be", "Deve ser"),
    "broken": ("Broken", "Violações"),
    "broken_of": ("{broken} of {checked} rows", "{broken} de {checked} linhas"),
    "rows_checked": ("{checked} rows checked", "{checked} linhas verificadas"),
    "tolerated_fail": ("up to {count} rows only warn", "até {count} linhas só alertam"),
    "tolerated_warn": ("up to {count} rows pass", "até {count} linhas são aceitas"),
    "why": ("Why it matters", "Por que importa"),
    "next_step": ("Next step", "Próximo passo"),
    "where": ("Where", "Onde"),
    "some_records": ("Some of the records", "Alguns dos registros"),
    "file": ("File", "Arquivo"),
    "record_no": ("Record", "Registro"),
    "pseudonym": ("Encounter (pseudonym)", "Atendimento (pseudônimo)"),
    "trend": ("Trend", "Tendência"),
    "first_time": ("no run before", "nenhuma execução antes"),
    "never_judged": ("nothing to judge in {count} runs", "nada a avaliar em {count} execuções"),
    "trend_of_share": (
        "Share of rows that break it, {lowest} to {highest} in {count} runs; the last mark is this one",
        "Parcela de linhas que a violam, {lowest} a {highest} em {count} execuções; a última marca é esta",
    ),
    "trend_of_value": (
        "What it measured, {lowest} to {highest} in {count} runs; the last mark is this one",
        "O que mediu, {lowest} a {highest} em {count} execuções; a última marca é esta",
    ),
    "steward": ("Steward", "Curadoria"),
    "looks_into_it": ("looks into it", "está verificando"),
    "too_strict": ("the rule is too strict", "a regra é rígida demais"),
    "corrupted": ("the data are corrupted", "os dados estão corrompidos"),
    "feeds": ("Feeds", "Fontes"),
    "owner": ("Owner", "Responsável"),
    "contact": ("Contact", "Contato"),
    "last_delivery": ("Last delivery", "Última entrega"),
    "ago": ("{span} before", "{span} antes"),
    "never": ("none for a long time", "nenhuma há muito tempo"),
    "is_late": ("late; allowed are {span}", "atrasada; o limite é {span}"),
    "in_time": ("in time; allowed are {span}", "em dia; o limite é {span}"),
    "diagnosis": ("Diagnosis", "Diagnóstico"),
    "does_not_add_up": (
        "The parts and the whole differ by {count}: report it as a defect.",
        "As partes e o todo diferem em {count}: relate como defeito.",
    ),
    "notice": ("Drafted message to the contact (not sent)", "Mensagem ao contato, em rascunho (não enviada)"),
    "to": ("To", "Para"),
    "subject": ("Subject", "Assunto"),
    "rule_version": ("Version of the rules", "Versão das regras"),
    "report_file": ("The report as a file", "O relatório em arquivo"),
}
# What `hops dq show|explain|notice` print besides.
TERMINAL_PAIRS: Mapping[str, Text] = {
    "score_is": ("risk score {score} of 100", "risco {score} de 100"),
    "no_score": ("no risk score", "sem pontuação de risco"),
    "judged_in": ("({first} to {last}, run {run})", "({first} a {last}, execução {run})"),
    "error_is": ("the job ended early: {error}", "a tarefa terminou antes do fim: {error}"),
    "rules": ("Rules", "Regras"),
    "whose_is": ("{owner} ({contact}), feed {feed}", "{owner} ({contact}), fonte {feed}"),
    "since_is": ("since {since}", "desde {since}"),
    "follow_are": ("with it: {names}", "com isso: {names}"),
    "and_more": ("{names} and {count} more", "{names} e mais {count}"),
    "cause_step": ("next: {step}", "a seguir: {step}"),
    "unjudged": (
        "Too little is known to judge by the past, which takes {needed} weeks besides the judged days: {places}.",
        "Pouco se sabe para avaliar pelo passado, o que exige {needed} semanas além dos dias avaliados: {places}.",
    ),
    "passed": ("{passed} rules passed; --all shows them.", "Regras aprovadas: {passed}; --all as mostra."),
    "passed_and_idle": (
        "{passed} rules passed, {idle} had nothing to judge; --all shows them.",
        "Regras aprovadas: {passed}; sem nada a avaliar: {idle}; --all as mostra.",
    ),
    "follows_from": ("from {cause}", "por {cause}"),
    "is_explained": ("because:  {cause}", "decorre de: {cause}"),
    "explains_are": ("explains: {names}; with them {points} points", "explica:    {names}; com isso, {points} pontos"),
    "report_is": ("report: {path}", "relatório: {path}"),
    "page_is": ("page:   {path}", "página:    {path}"),
    "later_report": (
        "later:  a report of {days} after a decision: hops dq show {run}",
        "depois:    um relatório de {days} após uma decisão: hops dq show {run}",
    ),
    "next_is": ("next:   {commands}", "a seguir:  {commands}"),
    "explain_rule": ("explain RULE", "explain REGRA"),
    "notice_feed": ("notice FEED", "notice FONTE"),
    "whatif_rule": ("whatif RULE --threshold X", "whatif REGRA --threshold X"),
    "some_points": (
        "{name}: {points} of the {score} points of risk",
        "{name}: {points} dos {score} pontos de risco",
    ),
    "no_points": ("{name}: no points of risk", "{name}: nenhum ponto de risco"),
    "no_such_feed": (
        "run {run} tells of no feed {feed}; it tells of: {feeds}.",
        "a execução {run} não trata da fonte {feed}; trata de: {feeds}.",
    ),
    "name_a_feed": ("Name one of them.", "Indique uma delas."),
    "nothing_to_write": (
        "run {run} found nothing of feed {feed} to write about: no missing values, refused files, wrong clock or "
        "missing deliveries.",
        "a execução {run} não achou nada a comunicar sobre a fonte {feed}: nem valores faltantes, nem arquivos "
        "recusados, nem relógio errado, nem entregas faltantes.",
    ),
    "show_lists_feeds": (
        "`hops dq show` lists feeds and findings.",
        "`hops dq show` mostra as fontes e os achados.",
    ),
    "list_of_held": (
        "Records held in quarantine: `hops dq quarantine` lists them.",
        "Registros retidos em quarentena: `hops dq quarantine` mostra a lista.",
    ),
    "verdict_is": ("verdict:  {verdict}; {done}", "veredito:   {verdict}; {done}"),
    "gold_keeps": ("gold keeps what it had", "a camada gold mantém o que tinha"),
    "gold_takes": ("gold takes the days", "a camada gold recebe os dias"),
    "evidence_is": ("evidence: {evidence}", "evidência:  {evidence}"),
    "step_is": ("next:     {step}", "a seguir:   {step}"),
    "rule_is": ("rule:     {rule}", "regra:      {rule}"),
    "fault_is": ("not judged: {fault}", "não avaliada: {fault}"),
    "why_is": ("why:      {why}", "motivo:     {why}"),
    "measured_is": (
        "measured: {measured} (must be {limits}); {broken} of {checked} rows break it: {verdict}",
        "medido:     {measured} (deve ser {limits}); {broken} de {checked} linhas a violam: {verdict}",
    ),
    "says": ("{steward} {said}", "{steward} diz que {said}"),
    "of": ("of", "de"),
    "past_one": (
        "share of rows that break it, 1 run before: {trend}",
        "parcela de linhas que a violam, 1 execução antes: {trend}",
    ),
    "past_runs": (
        "share of rows that break it, {count} runs before: {trend}",
        "parcela de linhas que a violam, {count} execuções antes: {trend}",
    ),
    "evidence_shift": (
        "{pairs} encounters that both tell of; median difference {median_h} h, quartiles {spread_h} h apart",
        "{pairs} atendimentos que ambas informam; diferença mediana {median_h} h, quartis a {spread_h} h um do outro",
    ),
    "evidence_figure": (
        "{observed} seen, {expected} expected, {lower} to {upper} usual; score {score}, told beyond {limit}",
        "observado {observed}, esperado {expected}, usual de {lower} a {upper}; pontuação {score}, avisa-se acima de "
        "{limit}",
    ),
    "evidence_clock": (
        "the lag of records is {lag_q50_h} h (median; 5 % below {lag_q05_h} h); the hours of {arrivals} arrivals, log "
        "likelihood ratio {log_likelihood_ratio} over {window_days} days",
        "os registros chegam com atraso de {lag_q50_h} h (mediana; 5 % abaixo de {lag_q05_h} h); as horas de "
        "{arrivals} chegadas, razão de log-verossimilhança {log_likelihood_ratio} em {window_days} dias",
    ),
}
