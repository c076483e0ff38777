"""What broke, and what people do about it besides the actions."""

from __future__ import annotations

from collections.abc import Mapping

from healthcare_ops.core.language import Text

CAUSES: Mapping[str, Text] = {
    # INC-01: by class of fault.
    "cause_transient": (
        "{job} failed of something that passes ({reason}), and its retries did not outlast it.",
        "{job} falhou por algo passageiro ({reason}), e as novas tentativas não bastaram.",
    ),
    "cause_timeout": (
        "{job} took longer than state {state} allows.",
        "{job} demorou mais do que o estado {state} permite.",
    ),
    "cause_killed": (
        "The process of {job} died in the middle of its work.",
        "O processo de {job} morreu no meio do trabalho.",
    ),
    "cause_stopped": (
        "A person stopped the run in state {state}.",
        "Uma pessoa interrompeu a execução no estado {state}.",
    ),
    "cause_access_denied": (
        "{job} was refused access to {resource} (action: {action}).",
        "O acesso de {job} a {resource} foi negado (ação: {action}).",
    ),
    "cause_access_denied_somewhere": (
        "{job} was refused access; the error does not tell to what.",
        "O acesso de {job} foi negado; o erro não informa a quê.",
    ),
    "cause_configuration": (
        "{job} cannot work with the configuration as it is ({reason}).",
        "{job} não consegue trabalhar com a configuração atual ({reason}).",
    ),
    "cause_disk_full": ("The disk is full; {job} met it first.", "O disco está cheio; {job} foi o primeiro a notar."),
    "cause_out_of_memory": (
        "Memory ran out; {job} met it first.",
        "A memória acabou; {job} foi o primeiro a notar.",
    ),
    "cause_data": (
        "{job} cannot use data as they were delivered.",
        "{job} não consegue usar os dados como foram entregues.",
    ),
    "cause_unknown": (
        "{job} failed of something that nobody has thought of ({reason}).",
        "{job} falhou por algo que ninguém previu ({reason}).",
    ),
    # INC-02: by what is wrong with the data.
    "cause_nulls": (
        "Feed {feed}: values of {column} are missing ({share}); sectors: {sectors}.",
        "Fonte {feed}: faltam valores de {column} ({share}); setores: {sectors}.",
    ),
    "cause_clock": (
        "The clock of feed {feed} is {offset_h} h off.",
        "O relógio da fonte {feed} está errado em {offset_h} h.",
    ),
    "cause_shift": (
        "The clocks of feeds {feed} and {other_feed} disagree by {offset_h} h.",
        "Os relógios das fontes {feed} e {other_feed} divergem em {offset_h} h.",
    ),
    "cause_refused": (
        "{files} file(s) of feed {feed} were refused: {why}.",
        "{files} arquivo(s) da fonte {feed} foram recusados: {why}.",
    ),
    "cause_silent": ("Feed {feed} delivers nothing.", "A fonte {feed} não entrega nada."),
    "cause_loss": (
        "Feed {feed} tells of too few rows ({share} missing); sectors: {sectors}.",
        "A fonte {feed} informa linhas de menos (faltam {share}); setores: {sectors}.",
    ),
    "cause_excess": (
        "Feed {feed} tells of too many rows; sectors: {sectors}.",
        "A fonte {feed} informa linhas demais; setores: {sectors}.",
    ),
    "cause_range": (
        "Feed {feed}: values of {column} lie outside their range or list ({share}); sectors: {sectors}.",
        "Fonte {feed}: valores de {column} fora da faixa ou da lista ({share}); setores: {sectors}.",
    ),
    "cause_time_range": (
        "Feed {feed}: times of {column} cannot be ({share}); sectors: {sectors}.",
        "Fonte {feed}: horários de {column} impossíveis ({share}); setores: {sectors}.",
    ),
    "cause_time_order": (
        "Feed {feed}: times are in the wrong order ({share}); waits or stays would be negative.",
        "Fonte {feed}: horários em ordem errada ({share}); esperas ou permanências seriam negativas.",
    ),
    "cause_mean": (
        "Feed {feed}: {column} is far from what is usual; sectors: {sectors}.",
        "Fonte {feed}: {column} está longe do usual; setores: {sectors}.",
    ),
    "cause_keys": (
        "Feed {feed}: rows stand twice, or name what does not exist ({column}).",
        "Fonte {feed}: linhas repetidas, ou que citam o que não existe ({column}).",
    ),
    "cause_unjudged": (
        "A rule cannot be judged on these rows ({column}).",
        "Uma regra não pode ser avaliada nestas linhas ({column}).",
    ),
    "cause_held": (
        "Records of feed {feed} are held back, most because of this: {code}.",
        "Registros da fonte {feed} estão retidos, a maioria por isto: {code}.",
    ),
    "cause_data_quality": (
        "Data of feed {feed} are not of a quality that gold takes ({code}).",
        "Os dados da fonte {feed} não têm qualidade que gold receba ({code}).",
    ),
    "cause_no_report": (
        "Data quality failed, and there is no report that says of what.",
        "A qualidade de dados falhou, e não há relatório que diga por quê.",
    ),
    "cause_silent_feed": ("Feed {feed} delivers nothing.", "A fonte {feed} não entrega nada."),
    # INC-03.
    "cause_training_missed": (
        "Sunday's weekly_train did not start.",
        "O weekly_train de domingo não começou.",
    ),
    "cause_training_failed": ("Sunday's weekly_train failed.", "O weekly_train de domingo falhou."),
    "cause_training_unknown": (
        "Sunday's weekly_train has not succeeded; what became of it could not be read.",
        "O weekly_train de domingo não teve êxito; não foi possível ler o que houve com ele.",
    ),
    "cause_drift": (
        "The hospital is no longer what the model learnt from (metrics: {metrics}).",
        "O hospital já não é aquele com que o modelo aprendeu (métricas: {metrics}).",
    ),
    "cause_drift_unread": (
        "The hours look moved; the verdict that says why could not be read.",
        "As horas parecem ter mudado; o parecer que diz por quê não pôde ser lido.",
    ),
    "cause_data_fault_as_drift": (
        "The data are at fault, and look as if the hospital had moved: do not train on them.",
        "Os dados têm defeito e fazem parecer que o hospital mudou: não treinar com eles.",
    ),
    "cause_model_error": (
        "Forecasts are bad, though the hours are as they were learnt (metrics: {metrics}).",
        "As previsões estão ruins, embora as horas sejam como foram aprendidas (métricas: {metrics}).",
    ),
    "cause_complaint": (
        "People say that forecasts of {sector} are wrong ({count} complaint(s)), and no alarm rings of it.",
        "Pessoas dizem que as previsões de {sector} estão erradas ({count} reclamação(ões)), sem alarme.",
    ),
    # What stands alone.
    "cause_stale": ("No forecasts are made.", "Nenhuma previsão está sendo feita."),
    "cause_secret_age": (
        "Secret {secret} is {days} days old: rotate it.",
        "O segredo {secret} tem {days} dias: troque-o.",
    ),
    "cause_silent_platform": (
        "Nobody judged the alarms for a while: the platform was down, or could not measure itself.",
        "Ninguém avaliou os alarmes por um tempo: a plataforma parou, ou não conseguiu medir a si mesma.",
    ),
    "cause_alarm": (
        "{alarm} rings ({of}), and nothing that could be read explains it.",
        "{alarm} soa ({of}), e nada do que pôde ser lido o explica.",
    ),
    # What people do.
    "advice_transient": (
        "Wait: it is tried again by itself. If it stays, look at the network and at the service.",
        "Aguarde: há nova tentativa automática. Se persistir, verifique a rede e o serviço.",
    ),
    "advice_timeout": (
        "If it takes too long again, look at what the job waits for, and at how much was delivered.",
        "Se demorar demais de novo, veja o que o job espera e quanto foi entregue.",
    ),
    "advice_killed": (
        "If it dies again, give the machine more memory, or `memory_limit_mb` less.",
        "Se morrer de novo, dê mais memória à máquina, ou diminua `memory_limit_mb`.",
    ),
    "advice_stopped": (
        "Ask who stopped it, and why, before it goes on.",
        "Pergunte quem a interrompeu, e por quê, antes de continuar.",
    ),
    "advice_access_denied": (
        "Give back the permission, then redrive: the platform does not try again by itself.",
        "Devolva a permissão e então use redrive: a plataforma não tenta de novo sozinha.",
    ),
    "advice_configuration": (
        "Correct the configuration, then redrive.",
        "Corrija a configuração e então use redrive.",
    ),
    "advice_disk_full": ("Make room on the disk, then redrive.", "Libere espaço no disco e então use redrive."),
    "advice_out_of_memory": (
        "Raise `memory_limit_mb` in settings.toml or free memory, then redrive.",
        "Aumente `memory_limit_mb` em settings.toml ou libere memória, e então use redrive.",
    ),
    "advice_data": (
        "Have the supplier deliver again, or correct the feed file; the day is then run again.",
        "Peça nova entrega ao fornecedor, ou corrija o arquivo da fonte; o dia é então executado de novo.",
    ),
    "advice_unknown": (
        "Read the log, and report the defect with the run's id; then redrive.",
        "Leia o registro e relate o defeito com o id da execução; depois use redrive.",
    ),
    "advice_no_report": (
        "Read the log of the run; run the day again to have a report written.",
        "Leia o registro da execução; execute o dia de novo para que um relatório seja escrito.",
    ),
    "advice_training": (
        "The training is made good; look at why the schedule missed it.",
        "O treino é recuperado; veja por que o agendamento o perdeu.",
    ),
    "advice_never_retrain": (
        "Do not train until the data are sound: a model must not learn their fault.",
        "Não treine até que os dados estejam sãos: um modelo não deve aprender o defeito deles.",
    ),
    "advice_drift": (
        "Look at the findings; if the change is to stay, approve a training.",
        "Veja os achados; se a mudança veio para ficar, aprove um treino.",
    ),
    "advice_data_fault_as_drift": (
        "Mend the feed first. Never train on these hours.",
        "Corrija a fonte primeiro. Nunca treine com estas horas.",
    ),
    "advice_model_error": (
        "Look at what changed since forecasts were good: the model, the feeds, the days themselves.",
        "Veja o que mudou desde que as previsões eram boas: o modelo, as fontes, os próprios dias.",
    ),
    "advice_complaint": (
        "Compare with whoever complains what was shown and what came; tell them what was found.",
        "Compare com quem reclama o que foi mostrado e o que ocorreu; conte o que foi encontrado.",
    ),
    "advice_stale": (
        "See whether `hops up` runs, and what it is at work on.",
        "Veja se `hops up` está em execução, e em que trabalha.",
    ),
    "advice_silent_feed": (
        "Ask the supplier; what is forecast meanwhile rests on old data.",
        "Pergunte ao fornecedor; as previsões, enquanto isso, usam dados antigos.",
    ),
    "advice_secret_age": (
        "Have a new one issued, put it in the place of the old one, and withdraw that.",
        "Peça um novo, coloque-o no lugar do antigo e revogue este.",
    ),
    "advice_silent_platform": (
        "Let the system start `hops up` by itself, and watch the platform from outside.",
        "Deixe o sistema iniciar `hops up` sozinho, e observe a plataforma de fora.",
    ),
}
