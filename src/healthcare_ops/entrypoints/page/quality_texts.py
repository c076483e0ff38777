"""The words of the data-quality page, in English and Brazilian Portuguese."""

from __future__ import annotations

from collections.abc import Mapping

QUALITY_PAIRS: Mapping[str, tuple[str, str]] = {
    "quality_title": ("Data quality", "Qualidade dos dados"),
    "quality_subtitle": (
        "{first} to {last} ({count} with data) · judged on {as_of}",
        "{first} a {last} ({count} com dados) · avaliado em {as_of}",
    ),
    "one_day": ("1 day", "1 dia"),
    "days": ("{count} days", "{count} dias"),
    "run": ("Run", "Execução"),
    "not_judged": ("not judged", "não avaliada"),
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
    "why_score": ("What the risk is made of", "De que o risco é feito"),
    "points": ("Points", "Pontos"),
    "held_share": ("records held in quarantine", "registros retidos em quarentena"),
    "own_past": ("Files, clocks and figures", "Arquivos, relógios e números"),
    "next_refused": (
        "Ask the owner of feed {feed_id} for the file again; if the feed file is wrong, correct it and load the file "
        "anew.",
        "Peça o arquivo de novo ao proprietário da fonte {feed_id}; se o arquivo da fonte estiver errado, corrija-o e "
        "carregue o arquivo outra vez.",
    ),
    "next_clock": (
        "Ask the owner of feed {feed_id} what its clock says, and compare `zone` and `times` in the feed file.",
        "Pergunte ao proprietário da fonte {feed_id} que hora marca o relógio e compare `zone` e `times` no arquivo "
        "da fonte.",
    ),
    "next_shift": (
        "Ask the owners of feeds {feed_id} and {other_feed_id} what their clocks say: one of them is wrong. Compare "
        "`zone` and `times` in both feed files.",
        "Pergunte aos proprietários das fontes {feed_id} e {other_feed_id} que hora marcam os relógios: um deles está "
        "errado. Compare `zone` e `times` nos dois arquivos.",
    ),
    "next_volume": (
        "Ask the feed's owner whether all was delivered, and nothing twice; what comes later is judged again.",
        "Pergunte ao proprietário da fonte se tudo foi entregue e nada em dobro; o que chegar depois é avaliado de "
        "novo.",
    ),
    "next_freshness": (
        "Ask the feed's owner why nothing came, and have what is missing delivered.",
        "Pergunte ao proprietário da fonte por que nada chegou e peça a entrega do que falta.",
    ),
    "next_nulls": (
        "Ask the feed's owner since when {column} is left out, and have the records delivered again.",
        "Pergunte ao proprietário da fonte desde quando {column} não é informado e peça nova entrega dos registros.",
    ),
    "next_mean": (
        "Compare unit and column of {column} in the feed file with what the feed's owner delivers.",
        "Compare unidade e coluna de {column} no arquivo da fonte com o que o proprietário entrega.",
    ),
    "broken_rules": ("What broke", "O que foi violado"),
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
    "tolerated": ("up to {count} rows only warn", "até {count} linhas só alertam"),
    "why": ("Why it matters", "Por que importa"),
    "next_step": ("Next step", "Próximo passo"),
    "where": ("Where", "Onde"),
    "some_records": ("Some of the records", "Alguns dos registros"),
    "file": ("File", "Arquivo"),
    "record_no": ("Record", "Registro"),
    "pseudonym": ("Encounter (pseudonym)", "Atendimento (pseudônimo)"),
    "trend": ("Trend", "Tendência"),
    "first_time": ("no run before", "nenhuma execução antes"),
    "trend_of_share": (
        "Share of rows that break it, {lowest} to {highest} in {count} runs; the last mark is this one",
        "Parcela de linhas que a violam, {lowest} a {highest} em {count} execuções; a última marca é esta",
    ),
    "trend_of_value": (
        "What it measured, {lowest} to {highest} in {count} runs; the last mark is this one",
        "O que mediu, {lowest} a {highest} em {count} execuções; a última marca é esta",
    ),
    "steward": ("Steward", "Responsável"),
    "looks_into_it": ("looks into it", "está verificando"),
    "too_strict": ("the rule is too strict", "a regra é rígida demais"),
    "corrupted": ("the data are corrupted", "os dados estão corrompidos"),
    "feeds": ("Feeds", "Fontes"),
    "owner": ("Owner", "Proprietário"),
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
