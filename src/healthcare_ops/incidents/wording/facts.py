"""What was seen, each as a sentence; why the platform acts or does not."""

from __future__ import annotations

from collections.abc import Mapping

from healthcare_ops.core.language import Text

FACTS: Mapping[str, Text] = {
    "fact_state": (
        "State {state} (job {job}) of run {run_id} failed; attempts: {attempts}.",
        "O estado {state} (job {job}) da execução {run_id} falhou; tentativas: {attempts}.",
    ),
    "fact_run_date": ("It is a {run_type} run of {run_date}.", "É uma execução {run_type} de {run_date}."),
    "fact_reason": (
        "Reason code {reason}; of all attempts: {reasons}.",
        "Código do motivo: {reason}; de todas as tentativas: {reasons}.",
    ),
    "fact_log": (
        "Log {key}, line {line} ({place}): {text}",
        "Registro {key}, linha {line} ({place}): {text}",
    ),
    "fact_last_good": (
        "The last good {run_type} run was {run_id}; it ended on {ended_at}.",
        "A última execução {run_type} com êxito foi {run_id}; terminou em {ended_at}.",
    ),
    "fact_never_good": ("No {run_type} run has ever succeeded.", "Nenhuma execução {run_type} jamais teve êxito."),
    "fact_changed": (
        "Changed since: {what} {name}, on {changed_at}, by {who}: {before} → {after}.",
        "Mudou desde então: {what} {name}, em {changed_at}, por {who}: {before} → {after}.",
    ),
    "fact_nothing_changed": ("Nothing was changed since.", "Nada mudou desde então."),
    "fact_no_score": (
        "dq_check itself broke: there is no score for these days, neither good nor bad.",
        "O próprio dq_check falhou: não há pontuação para estes dias, nem boa nem ruim.",
    ),
    "fact_report": (
        "Report of run {run_id}, days {first} to {last}: risk score {score} of 100.",
        "Relatório da execução {run_id}, dias {first} a {last}: risco {score} de 100.",
    ),
    "fact_since": ("It has been so since {since}.", "É assim desde {since}."),
    "fact_missing": (
        "About {arrivals} arrivals are missing, in {hours} h.",
        "Faltam cerca de {arrivals} chegadas, em {hours} h.",
    ),
    "fact_explains": ("{count} more findings follow from it.", "Outros {count} achados decorrem disso."),
    "fact_owner": (
        "Feed {feed} is of {owner} ({contact}).",
        "A fonte {feed} é de {owner} ({contact}).",
    ),
    "fact_clean_now": (
        "Run {run_id} has judged since, and found nothing of it any more.",
        "A execução {run_id} avaliou desde então, e não encontrou mais nada disso.",
    ),
    "fact_measured": (
        "{alarm} of {of}: {value}; the threshold is {threshold}.",
        "{alarm} de {of}: {value}; o limite é {threshold}.",
    ),
    "fact_training_fine": (
        "weekly_train, due on {due}, has succeeded (run {run_id}).",
        "weekly_train, previsto para {due}, teve êxito (execução {run_id}).",
    ),
    "fact_training_missed": (
        "weekly_train was due on {due}, and no run of it began.",
        "weekly_train estava previsto para {due}, e nenhuma execução começou.",
    ),
    "fact_training_failed": (
        "weekly_train was due on {due}; run {run_id} failed: {reason}.",
        "weekly_train estava previsto para {due}; a execução {run_id} falhou: {reason}.",
    ),
    "fact_training_late": (
        "weekly_train was due on {due}; run {run_id} is still at work.",
        "weekly_train estava previsto para {due}; a execução {run_id} ainda está em andamento.",
    ),
    "fact_training_not_due": (
        "No weekly_train has been due yet (the next one: {due}).",
        "Nenhum weekly_train foi previsto ainda (o próximo: {due}).",
    ),
    "fact_trained": (
        "The model in use stopped learning on {trained_at}.",
        "O modelo em uso parou de aprender em {trained_at}.",
    ),
    "fact_drift_real_change": (
        "Verdict of {on}: the hospital has changed, and nothing speaks against its data.",
        "Parecer de {on}: o hospital mudou, e nada depõe contra os seus dados.",
    ),
    "fact_drift_data_fault": (
        "Verdict of {on}: the data are at fault.",
        "Parecer de {on}: os dados têm defeito.",
    ),
    "fact_drift_season": (
        "Verdict of {on}: the season explains what changed.",
        "Parecer de {on}: a estação do ano explica o que mudou.",
    ),
    "fact_drift_none": (
        "Verdict of {on}: nothing has changed beyond chance.",
        "Parecer de {on}: nada mudou além do acaso.",
    ),
    "finding_arrivals": (
        "Arrivals of {sector}: {size} since {since}.",
        "Chegadas de {sector}: {size} desde {since}.",
    ),
    "finding_wait": ("Waits of {sector}: {size} since {since}.", "Esperas de {sector}: {size} desde {since}."),
    "finding_occupancy": (
        "Occupancy of {sector}: {size} since {since}.",
        "Ocupação de {sector}: {size} desde {since}.",
    ),
    "finding_peak": (
        "The peak of the day of {sector} comes {hours} h later since {since}.",
        "O pico do dia de {sector} vem {hours} h mais tarde desde {since}.",
    ),
    "finding_spread": (
        "The hours of {sector} lie otherwise than learnt (PSI {psi}) since {since}.",
        "As horas de {sector} se distribuem de outro modo que o aprendido (PSI {psi}) desde {since}.",
    ),
    "fact_model_changed": (
        "Model {name} was put to use on {changed_at} by {who}.",
        "O modelo {name} entrou em uso em {changed_at} por {who}.",
    ),
    "fact_complaint": (
        "Complaint {complaint}: sector {sector}, {metric}, on {said_at}.",
        "Reclamação {complaint}: setor {sector}, {metric}, em {said_at}.",
    ),
    "fact_shown": (
        "Shown: {metric} of {sector} for {target_time}: {mean} ({low} to {high}), made on {made_at} by {version} from "
        "data {data_age_h} h old; what came is not known yet.",
        "Mostrado: {metric} de {sector} para {target_time}: {mean} ({low} a {high}), feito em {made_at} por {version} "
        "com dados de {data_age_h} h; ainda não se sabe o que ocorreu.",
    ),
    "fact_shown_and_came": (
        "Shown: {metric} of {sector} for {target_time}: {mean} ({low} to {high}), made on {made_at} by {version} from "
        "data {data_age_h} h old; {actual} came.",
        "Mostrado: {metric} de {sector} para {target_time}: {mean} ({low} a {high}), feito em {made_at} por {version} "
        "com dados de {data_age_h} h; ocorreu {actual}.",
    ),
    "fact_forecast": (
        "The newest forecast was made on {made_at}.",
        "A previsão mais nova foi feita em {made_at}.",
    ),
    "fact_feed_late": (
        "Feed {feed} delivered last on {delivered_at}, and is {late_min} min late; its supplier: {supplier}.",
        "A última entrega da fonte {feed} foi em {delivered_at}; está {late_min} min atrasada; fornecedor: {supplier}.",
    ),
    "fact_feed_never": (
        "Feed {feed} has never delivered; its supplier: {supplier}.",
        "A fonte {feed} nunca entregou; fornecedor: {supplier}.",
    ),
    # Why the platform acts, or does not.
    "decided_automatic": (
        "Done unattended, attempt {attempt} of {attempts}.",
        "Feito sem intervenção, tentativa {attempt} de {attempts}.",
    ),
    "decided_approved": ("Done as {by} approved.", "Feito conforme aprovado por {by}."),
    "decided_approval": ("A person must approve it.", "Uma pessoa precisa aprovar."),
    "decided_expired": (
        "It was approved on other evidence, or has been done: a person must approve it anew.",
        "Foi aprovado com outras evidências, ou já foi feito: uma pessoa precisa aprovar de novo.",
    ),
    "decided_exhausted": (
        "It was tried {attempts} times without lasting success: a person must look.",
        "Foi tentado {attempts} vezes sem êxito duradouro: uma pessoa precisa olhar.",
    ),
    "decided_not_ready": (
        "There is no reason to do it yet: what is at fault has not been mended.",
        "Ainda não há razão para fazer: o defeito não foi corrigido.",
    ),
    "decided_later": ("It waits a while first.", "Aguarda um pouco antes."),
    "decided_people": (
        "People do it; the platform names the command.",
        "Pessoas o fazem; a plataforma indica o comando.",
    ),
}
