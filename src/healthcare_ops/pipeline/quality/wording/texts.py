"""What reports say of data in English and Brazilian Portuguese, to be filled with facts.

The English of a report as it is stored, and what pages and commands show in either language, come from here.
"""

from __future__ import annotations

from collections.abc import Mapping

from healthcare_ops.core.language import Text
from healthcare_ops.core.reasons import EXPLANATIONS, FILE_FAULTS, FileFault, Reason
from healthcare_ops.core.tables import BATCH_ACCOUNTS, ENCOUNTERS, EVENTS, STAYS

TEXTS: Mapping[str, Text] = {
    # Figures: what was seen, and what the site's past lets expect.
    "volume": (
        "{place} has {observed} {rows} {window}; {expected} expected {usual}.",
        "{place}, {rows} {window}: {observed}; o esperado era {expected} {usual}.",
    ),
    "nulls": (
        "{place}: {observed} of {size} {rows} {window} are {what}{later}; {expected} expected {usual}.",
        "{place}: {observed} de {size} {rows} {window} {what}{later}; o esperado era {expected} {usual}.",
    ),
    "mean": (
        "{place}: {column} of {size} {rows} {window} is typically {observed}; {expected} expected {usual}.{hint}",
        "{place}: o valor típico de {column} em {size} {rows} {window} é {observed}; o esperado era {expected} "
        "{usual}.{hint}",
    ),
    "usual": ("({lower}–{upper}) for {day}", "({lower}–{upper}) para {day}"),
    "held": ("held", "retidos em quarentena"),
    "missing": ("without {column}", "sem {column}"),
    "later": (" {hours} hours later", " {hours} horas depois"),
    "unit": (" Seconds and minutes may be mistaken.", " Pode haver troca entre segundos e minutos."),
    "on_day": ("on {day}", "em {day}"),
    "from_to": ("from {start} to {end}", "das {start} às {end}"),
    "silent_feed_then": (
        "{place} told of no {rows} from {weekday} {start} to {end}; {expected} were expected in that time (up to "
        "{longest} is usual).",
        "{place} não informou {rows} de {weekday}, {start}, até {end}; o esperado nesse período era {expected} (até "
        "{longest} é usual).",
    ),
    "silent_feed_now": (
        "{place} has told of no {rows} for {hours} hours, since {weekday} {start}; {expected} were due in that time "
        "(up to {longest} is usual){pending}.",
        "{place} não informa {rows} há {hours} horas, desde {weekday}, {start}; deviam ter chegado {expected} "
        "nesse período (até {longest} é usual){pending}.",
    ),
    "silent_place_then": (
        "{place} had no {rows} from {weekday} {start} to {end}; {expected} were expected in that time (up to {longest} "
        "is usual).",
        "{place} ficou sem {rows} de {weekday}, {start}, até {end}; o esperado nesse período era {expected} (até "
        "{longest} é usual).",
    ),
    "silent_place_now": (
        "{place} has had no {rows} for {hours} hours, since {weekday} {start}; {expected} were expected in that time "
        "(up to {longest} is usual).",
        "{place} está sem {rows} há {hours} horas, desde {weekday}, {start}; o esperado nesse período era {expected} "
        "(até {longest} é usual).",
    ),
    "pending": ("; {count} more may only be late", "; mais {count} podem estar só atrasados"),
    "place_of_sector_id": ("{place}", "Setor {place}"),
    "place_of_feed_id": ("Feed {place}", "Fonte {place}"),
    "place_of_event_type": ("Event type {place}", "Tipo de evento {place}"),
    "holiday": ("a public holiday", "um feriado"),
    "weekday_0": ("a Monday", "uma segunda-feira"),
    "weekday_1": ("a Tuesday", "uma terça-feira"),
    "weekday_2": ("a Wednesday", "uma quarta-feira"),
    "weekday_3": ("a Thursday", "uma quinta-feira"),
    "weekday_4": ("a Friday", "uma sexta-feira"),
    "weekday_5": ("a Saturday", "um sábado"),
    "weekday_6": ("a Sunday", "um domingo"),
    # Clocks.
    "clock": (
        "arrivals of feed {feed} look shifted by {offset} h{why}{only}",
        "as chegadas da fonte {feed} parecem deslocadas em {offset} h{why}{only}",
    ),
    "clock_unknown": (
        "nothing to say about the clock of feed {feed}",
        "nada a dizer sobre o relógio da fonte {feed}",
    ),
    "as_if": (", as if {mistakes}", ", como se {mistakes}"),
    "or": (" or ", " ou "),
    "by_lag": (" (by their lag only)", " (só pelo atraso com que chegam os registros)"),
    "by_hours": (" (by their hours only)", " (só pelas horas em que ocorrem)"),
    "zone_mistaken": (
        "{zone} times had been read as {read_as}",
        "horários de {zone} tivessem sido lidos como de {read_as}",
    ),
    "not_put_forward": (
        "a clock of {zone} had not been put forward on {day}",
        "um relógio de {zone} não tivesse sido adiantado em {day}",
    ),
    "not_put_back": (
        "a clock of {zone} had not been put back on {day}",
        "um relógio de {zone} não tivesse sido atrasado em {day}",
    ),
    "shift": (
        "the clocks of feeds {feed} and {other} disagree: {other_milestone} in {other} is {offset} h off {milestone} "
        "in {feed}, in {pairs} encounters that both tell of",
        "os relógios das fontes {feed} e {other} divergem: entre {milestone} em {feed} e {other_milestone} em {other} "
        "há um desvio de {offset} h, em {pairs} atendimentos que ambas informam",
    ),
    # Files.
    "refused": (
        "file {file} was refused on {at} UTC: {why}",
        "o arquivo {file} foi recusado em {at} UTC: {why}",
    ),
    "line": ("line {line}: {why}", "linha {line}: {why}"),
    # What a person can do about a finding.
    "accept_figure": (
        "If that is how it was, or nothing better will come, accept it by name and gold takes it: `{command}`.",
        "Se foi assim mesmo, ou se nada melhor virá, aceite-o em seu nome e a camada gold o recebe: `{command}`.",
    ),
    # What to do about a finding.
    "next_refused": (
        "Ask the owner of feed {feed_id} for the file again; if the feed file is wrong, correct it and load the file "
        "anew. If it was never the supplier's, take it back by name: `{command}`.",
        "Peça o arquivo de novo ao responsável pela fonte {feed_id}; se a configuração da fonte estiver errada, "
        "corrija-a e carregue o arquivo outra vez. Se ele nunca foi do fornecedor, retire-o em seu nome: `{command}`.",
    ),
    "next_clock": (
        "Ask the owner of feed {feed_id} what its clock says, and compare `zone` and `times` in the feed file.",
        "Pergunte ao responsável pela fonte {feed_id} que hora marca o relógio e compare `zone` e `times` na "
        "configuração da fonte.",
    ),
    "next_shift": (
        "Ask the owners of feeds {feed_id} and {other_feed_id} what their clocks say: one of them is wrong. Compare "
        "`zone` and `times` in both feed files.",
        "Pergunte aos responsáveis pelas fontes {feed_id} e {other_feed_id} que hora marcam os relógios: um deles está "
        "errado. Compare `zone` e `times` nas duas configurações.",
    ),
    "next_volume": (
        "Ask the feed's owner whether all was delivered, and nothing twice; what comes later is judged again.",
        "Pergunte ao responsável pela fonte se tudo foi entregue e nada em dobro; o que chegar depois é avaliado de "
        "novo.",
    ),
    "next_freshness": (
        "Ask the feed's owner why nothing came, and have what is missing delivered.",
        "Pergunte ao responsável pela fonte por que nada chegou e peça a entrega do que falta.",
    ),
    "next_nulls": (
        "Ask the feed's owner since when {column} is left out, and have the records delivered again.",
        "Pergunte ao responsável pela fonte desde quando {column} não é informado e peça nova entrega dos registros.",
    ),
    "next_held": (
        "See with `hops dq quarantine` why they are held; correct the feed file, or ask the feed's owner.",
        "Veja com `hops dq quarantine` por que estão retidos; corrija a configuração da fonte ou pergunte ao "
        "responsável.",
    ),
    "next_mean": (
        "Compare unit and column of {column} in the feed file with what the feed's owner delivers.",
        "Compare unidade e coluna de {column} na configuração da fonte com o que o responsável entrega.",
    ),
    # A cause: what broke, and what follows from it.
    "more_files": ("{sentence}; and {count} more", "{sentence}; e mais {count}"),
    "more_days": ("{sentence}; more days of it: {count}", "{sentence}; mais dias assim: {count}"),
    "rule_broken": (
        "{broken} of {checked} rows of {table} break the rule{why}",
        "{broken} de {checked} linhas de {table} violam a regra{why}",
    ),
    "rule_measured": (
        "{table} measures {measured}, which must be {limits}{why}",
        "{table} mede {measured}; deve ser {limits}{why}",
    ),
    "fault_no_number": (
        "rules/{table}.dqdl, line {line}: it cannot be judged: its query gives no number.",
        "rules/{table}.dqdl, linha {line}: não pode ser avaliada: sua consulta não resulta em um número.",
    ),
    "fault_stopped": (
        "rules/{table}.dqdl, line {line}: it cannot be judged: {detail}.",
        "rules/{table}.dqdl, linha {line}: não pode ser avaliada: {detail}.",
    ),
    "next_fault": (
        "Correct the rule and adopt its file with `hops dq rules adopt`, or let the product's count again with "
        "`hops dq rules drop {table}`.",
        "Corrija a regra e adote o arquivo dela com `hops dq rules adopt`, ou faça valer de novo as do produto com "
        "`hops dq rules drop {table}`.",
    ),
    "missing_arrivals": (
        "About {arrivals} arrivals are missing, in {hours} h.",
        "Faltam cerca de {arrivals} chegadas, em {hours} h.",
    ),
    "late_arrivals": ("{arrivals} of them may only be late.", "{arrivals} delas podem estar só atrasadas."),
    "one_follows": ("1 more finding follows from it.", "Mais 1 achado decorre disso."),
    "more_follow": ("{count} more findings follow from it.", "Mais {count} achados decorrem disso."),
    # A feed: how it does.
    "of_day": ("On {day} {sentence}.", "Em {day}, {sentence}."),
    "figure_of_day": ("On {day}: {sentence}.", "Em {day}: {sentence}."),
    "one_more_refused": ("1 more file was refused.", "Mais 1 arquivo foi recusado."),
    "more_refused": ("{count} more files were refused.", "Mais {count} arquivos foram recusados."),
    "late_since": ("Nothing has come since {at} UTC.", "Nada chegou desde {at} UTC."),
    "late_for_long": ("Nothing has come for long.", "Há muito tempo nada chega."),
    "held_most": (
        "In these days {held} of {delivered} records are held, most for this: {why}.",
        "Nestes dias, {held} de {delivered} registros estão retidos, a maioria por isto: {why}.",
    ),
    "none_held": (
        "In these days every record was accounted for without quarantine.",
        "Nestes dias, todos os registros foram contabilizados, nenhum em quarentena.",
    ),
    "none_delivered": ("In these days no record was delivered.", "Nestes dias, nenhum registro foi entregue."),
    # A feed: what to do.
    "compare_clock": (
        "Compare `zone` and the times of {feed} with {owner}'s clock.",
        "Compare `zone` e os horários da fonte {feed} com o relógio de {owner}.",
    ),
    "ask_for_file": (
        "Ask {owner} ({email}) for {files} again; if the feed file is wrong, correct it and load the file anew.",
        "Peça de novo a {owner} ({email}) o arquivo {files}; se o erro está na configuração da fonte, corrija-a e "
        "carregue o arquivo outra vez.",
    ),
    "ask_for_files": (
        "Ask {owner} ({email}) for {files} again; if the feed file is wrong, correct it and load the files anew.",
        "Peça de novo a {owner} ({email}) os arquivos {files}; se o erro está na configuração da fonte, corrija-a e "
        "carregue os arquivos outra vez.",
    ),
    "ask_why_late": (
        "Ask {owner} ({email}) why nothing comes.",
        "Pergunte a {owner} ({email}) por que nada chega.",
    ),
    "ask_what_differed": (
        "Ask {owner} ({email}) what was different then.",
        "Pergunte a {owner} ({email}) o que houve de diferente nesses dias.",
    ),
    "send_list": (
        "Send {owner} the list from `hops dq quarantine`.",
        "Envie a {owner} a lista de `hops dq quarantine`.",
    ),
}
# What the rows of a table tell of.
ROWS: Mapping[str, Text] = {
    ENCOUNTERS.id: ("arrivals", "chegadas"),
    STAYS.id: ("patients who came to a place", "entradas de pacientes"),
    EVENTS.id: ("events", "eventos"),
    BATCH_ACCOUNTS.id: ("records", "registros"),
}
MILESTONES_PT: Mapping[str, str] = {
    "arrival": "a chegada",
    "triage_start": "o início da triagem",
    "triage_end": "o fim da triagem",
    "care_start": "o início do atendimento",
    "admit": "a internação",
    "transfer": "a transferência",
    "discharge": "a alta",
}
_REASONS_PT: Mapping[Reason, str] = {
    Reason.ENCOUNTER_ID_MISSING: "o registro não indica o atendimento",
    Reason.TIME_UNREADABLE: "um horário não segue nenhum dos formatos declarados",
    Reason.TIME_OUT_OF_RANGE: "um horário está fora do intervalo plausível da fonte",
    Reason.TIME_IN_SKIPPED_HOUR: "um horário civil que a mudança de relógio pulou",
    Reason.TIME_IN_REPEATED_HOUR: "um horário civil que ocorreu duas vezes na mudança de relógio",
    Reason.EVENT_TIME_MISSING: "o evento não tem horário",
    Reason.ARRIVAL_MISSING: "o atendimento não tem chegada; sem ela não há dia nem esperas",
    Reason.SECTOR_UNKNOWN: "o local não corresponde a um setor de site.toml",
    Reason.SECTOR_MISSING: "nenhum evento do atendimento indica um local",
    Reason.TRIAGE_UNKNOWN: "o código de triagem não corresponde a um nível de 1 a 5",
    Reason.DISPOSITION_UNKNOWN: "o código de desfecho não está mapeado",
    Reason.EVENT_TYPE_UNKNOWN: "o código do evento não está mapeado nem declarado como ignorado",
    Reason.IDENTIFIER_MISPLACED: "algo que parece um identificador está no lugar de um local, código ou horário",
    Reason.EVENTS_REVERSED: "um evento precede aquele que deveria seguir; uma espera ou permanência seria negativa",
    Reason.STAY_TOO_LONG: "a permanência excede max_stay_days",
    Reason.RULE_BROKEN: "uma regra de qualidade que retém registros foi violada; rule_ids diz qual",
}
_FILE_FAULTS_PT: Mapping[FileFault, str] = {
    FileFault.FILE_NAME_UNREADABLE: "o nome não está em UTF-8",
    FileFault.FILE_EMPTY: "está vazio",
    FileFault.FILE_FORMAT_OTHER: "os primeiros bytes não são do formato que o nome e a configuração indicam",
    FileFault.FILE_NOT_WHOLE: "está cortado ou danificado",
    FileFault.FILE_ENCODING_OTHER: "contém bytes que não são texto na codificação da fonte",
    FileFault.FILE_HEADER_UNUSABLE: "o cabeçalho não pode ser lido ou repete o nome de uma coluna",
    FileFault.FILE_COLUMN_UNUSABLE: "falta uma coluna que a fonte mapeia, ou ela não tem valores simples",
    FileFault.FILE_RECORD_UNREADABLE: "um registro não pode ser lido: tem valores ou aspas a mais ou a menos",
}
REASONS: Mapping[Reason, Text] = {reason: (EXPLANATIONS[reason], _REASONS_PT[reason]) for reason in Reason}
FAULTS: Mapping[FileFault, Text] = {fault: (FILE_FAULTS[fault], _FILE_FAULTS_PT[fault]) for fault in FileFault}
# What to hold beside the records that are held for it.
REASON_STEPS: Mapping[Reason, Text] = {
    Reason.ENCOUNTER_ID_MISSING: (
        "compare columns.encounter_id in the feed file",
        "confira columns.encounter_id na configuração da fonte",
    ),
    Reason.TIME_UNREADABLE: (
        "compare times.formats in the feed file",
        "confira times.formats na configuração da fonte",
    ),
    Reason.TIME_OUT_OF_RANGE: (
        "compare plausible, times.formats and zone in the feed file",
        "confira plausible, times.formats e zone na configuração da fonte",
    ),
    Reason.TIME_IN_SKIPPED_HOUR: (
        "compare zone and times.skipped_hour in the feed file",
        "confira zone e times.skipped_hour na configuração da fonte",
    ),
    Reason.TIME_IN_REPEATED_HOUR: (
        "compare zone and times.repeated_hour in the feed file",
        "confira zone e times.repeated_hour na configuração da fonte",
    ),
    Reason.EVENT_TIME_MISSING: (
        "compare columns.event_time in the feed file",
        "confira columns.event_time na configuração da fonte",
    ),
    Reason.ARRIVAL_MISSING: (
        "compare columns and values.event_type in the feed file",
        "confira columns e values.event_type na configuração da fonte",
    ),
    Reason.SECTOR_UNKNOWN: (
        "compare values.sector in the feed file with the sectors of site.toml",
        "confira values.sector na configuração da fonte com os setores de site.toml",
    ),
    Reason.SECTOR_MISSING: (
        "compare columns.sector in the feed file",
        "confira columns.sector na configuração da fonte",
    ),
    Reason.TRIAGE_UNKNOWN: (
        "compare values.triage_level in the feed file",
        "confira values.triage_level na configuração da fonte",
    ),
    Reason.DISPOSITION_UNKNOWN: (
        "compare values.disposition in the feed file",
        "confira values.disposition na configuração da fonte",
    ),
    Reason.EVENT_TYPE_UNKNOWN: (
        "compare values.event_type in the feed file",
        "confira values.event_type na configuração da fonte",
    ),
    Reason.IDENTIFIER_MISPLACED: (
        "compare which column is which in the feed file; codes that look like it are declared there (values, "
        "bed_pattern), and read again with `hops backfill --from-raw`",
        "confira na configuração da fonte qual coluna é qual; códigos parecidos são declarados ali (values, "
        "bed_pattern) e lidos de novo com `hops backfill --from-raw`",
    ),
    Reason.EVENTS_REVERSED: (
        "compare which column is which time in the feed file",
        "confira na configuração da fonte qual coluna é qual horário",
    ),
    Reason.STAY_TOO_LONG: ("compare max_stay_days in site.toml", "confira max_stay_days em site.toml"),
    Reason.RULE_BROKEN: (
        "compare the rules by which rows are held, in `rules/`",
        "confira as regras que retêm linhas, em `rules/`",
    ),
}
