"""What would explain what is seen."""

from __future__ import annotations

from collections.abc import Mapping

from healthcare_ops.core.language import Text

HYPOTHESES: Mapping[str, Text] = {
    "hyp_passing": (
        "A short disturbance of the network or of a service, over by now.",
        "Uma perturbação breve da rede ou de um serviço, já encerrada.",
    ),
    "hyp_service_down": (
        "The network or the service is still down.",
        "A rede ou o serviço ainda está fora do ar.",
    ),
    "hyp_locked": ("Another process held the data for too long.", "Outro processo reteve os dados por tempo demais."),
    "hyp_hangs": (
        "The job hangs: every attempt reached its limit of time.",
        "O job trava: todas as tentativas atingiram o limite de tempo.",
    ),
    "hyp_more_data": ("Far more data came than usual.", "Vieram muito mais dados do que o usual."),
    "hyp_slow_machine": ("The machine was busy with something else.", "A máquina estava ocupada com outra coisa."),
    "hyp_changed_setup": (
        "Something that was changed since the last good run did it: {name}.",
        "Algo que mudou desde a última execução com êxito o causou: {name}.",
    ),
    "hyp_changed_access": (
        "A credential or setting was changed since the last good run: {name}.",
        "Uma credencial ou configuração mudou desde a última execução com êxito: {name}.",
    ),
    "hyp_permission_withdrawn": (
        "The permission was withdrawn outside of the platform.",
        "A permissão foi retirada fora da plataforma.",
    ),
    "hyp_never_allowed": (
        "It was never allowed: no run of this type has succeeded.",
        "Nunca foi permitido: nenhuma execução deste tipo teve êxito.",
    ),
    "hyp_secret_expired": (
        "A secret has expired: {name} is {days} days old.",
        "Um segredo expirou: {name} tem {days} dias.",
    ),
    "hyp_disk_full": ("The disk is full.", "O disco está cheio."),
    "hyp_out_of_memory": ("Memory does not suffice.", "A memória não basta."),
    "hyp_release": (
        "The release or the state machine was changed since the last good run: {name}.",
        "A versão ou a máquina de estados mudou desde a última execução com êxito: {name}.",
    ),
    "hyp_delivery_broken": ("A delivery is broken.", "Uma entrega está com defeito."),
    "hyp_killed_for_memory": (
        "The system killed it, as memory ran out.",
        "O sistema o encerrou por falta de memória.",
    ),
    "hyp_killed_from_outside": (
        "Somebody, or a restart, ended the process.",
        "Alguém, ou um reinício, encerrou o processo.",
    ),
    "hyp_person_stopped": (
        "A person stopped run {run_id} on purpose.",
        "Uma pessoa interrompeu a execução {run_id} de propósito.",
    ),
    "hyp_defect": ("A defect of the product.", "Um defeito do produto."),
    "hyp_runs_unread": (
        "The records that would explain it are missing.",
        "Faltam os registros que o explicariam.",
    ),
    # Of data.
    "hyp_supplier_values": (
        "The supplier's data changed from one day to the other.",
        "Os dados do fornecedor mudaram de um dia para o outro.",
    ),
    "hyp_supplier_clock": ("The supplier's clock is wrong.", "O relógio do fornecedor está errado."),
    "hyp_changed_feed_file": (
        "Our reading of the feed changed since the last good run: {name}.",
        "A nossa leitura da fonte mudou desde a última execução com êxito: {name}.",
    ),
    "hyp_zone_mistaken": (
        "Times of one zone were read as of another.",
        "Horários de um fuso foram lidos como de outro.",
    ),
    "hyp_clock_change": (
        "A clock was not put forward or back.",
        "Um relógio não foi adiantado ou atrasado.",
    ),
    "hyp_people_moved": (
        "Patients really come at other hours.",
        "Os pacientes realmente chegam em outros horários.",
    ),
    "hyp_clock_of": ("The clock of feed {feed} is the wrong one.", "O relógio da fonte {feed} é o errado."),
    "hyp_cut_in_transfer": ("The file was cut on its way.", "O arquivo foi cortado no caminho."),
    "hyp_supplier_format": ("The supplier changed the format.", "O fornecedor mudou o formato."),
    "hyp_path_down": (
        "The way by which files come is cut: other feeds are silent too ({feeds}).",
        "O caminho por onde vêm os arquivos está interrompido: outras fontes também se calaram ({feeds}).",
    ),
    "hyp_supplier_silent": ("The supplier sends nothing.", "O fornecedor não envia nada."),
    "hyp_files_refused": (
        "Files came and were refused: {count}.",
        "Arquivos vieram e foram recusados: {count}.",
    ),
    "hyp_partial_delivery": ("Only a part was delivered.", "Só uma parte foi entregue."),
    "hyp_fewer_patients": ("Fewer patients come.", "Vêm menos pacientes."),
    "hyp_sector_closed": ("The sector was closed.", "O setor esteve fechado."),
    "hyp_told_twice": ("The same was told twice.", "O mesmo foi informado duas vezes."),
    "hyp_more_patients": ("More patients come.", "Vêm mais pacientes."),
    "hyp_rule_strict": (
        "Rule {rule} is too strict: {share} of the rows break it now, {usual} in the {runs} runs before.",
        "A regra {rule} é estrita demais: {share} das linhas a violam agora, {usual} nas {runs} execuções anteriores.",
    ),
    "hyp_rule_unjudged": ("Rule {rule} is at fault itself.", "A própria regra {rule} tem defeito."),
    # Of forecasts.
    "hyp_real_change": ("The hospital has changed.", "O hospital mudou."),
    "hyp_data_fault": ("The data are at fault: {because}.", "Os dados têm defeito: {because}."),
    "hyp_season": ("It is the season.", "É a estação do ano."),
    "hyp_not_trained": (
        "Sunday's training did not succeed: {status}.",
        "O treino de domingo não teve êxito: {status}.",
    ),
    "hyp_not_accepted": (
        "Sunday's training succeeded, and its model was not put to use.",
        "O treino de domingo teve êxito, e o seu modelo não entrou em uso.",
    ),
    "hyp_new_model": (
        "A model that was put to use since is worse: {name}.",
        "Um modelo que entrou em uso desde então é pior: {name}.",
    ),
    "hyp_old_data": (
        "Forecasts were made of old data; late feeds: {feeds}.",
        "As previsões usaram dados antigos; fontes atrasadas: {feeds}.",
    ),
    "hyp_odd_days": ("These days were unusual, and pass.", "Estes dias foram incomuns, e passam."),
    "hyp_forecast_was_right": (
        "What was shown came within its interval.",
        "O que foi mostrado ocorreu dentro do seu intervalo.",
    ),
    "hyp_schedule_changed": ("The schedule was changed: {name}.", "O agendamento mudou: {name}."),
    "hyp_training_at_work": ("A training is still at work.", "Um treino ainda está em andamento."),
    "hyp_training_failed": ("A training failed: {reason}.", "Um treino falhou: {reason}."),
    # Of the platform.
    "hyp_platform_was_down": ("`hops up` was not running.", "`hops up` não estava em execução."),
    "hyp_no_model": ("There is no model yet.", "Ainda não há modelo."),
    "hyp_tick_waits": ("Ticks wait for a run that is at work.", "Os ciclos esperam por uma execução em andamento."),
    "hyp_machine_down": ("The machine was down.", "A máquina esteve parada."),
    "hyp_platform_killed": ("The process of `hops up` ended.", "O processo de `hops up` terminou."),
    "hyp_cannot_measure": (
        "The platform ran and could not read what it measures.",
        "A plataforma funcionava e não conseguia ler o que mede.",
    ),
}
