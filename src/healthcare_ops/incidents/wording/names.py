"""Words for classes of faults, states of incidents, results of checks, and the parts of a post-mortem."""

from __future__ import annotations

from collections.abc import Mapping

from healthcare_ops.core.language import Text
from healthcare_ops.incidents.diagnosis import Check, Fault
from healthcare_ops.incidents.evidence import Asked, ChangeKind, Lacking

FAULTS: Mapping[Fault, Text] = {
    "transient": ("passes by itself", "passageira"),
    "timeout": ("took too long", "demorou demais"),
    "access_denied": ("access denied", "acesso negado"),
    "data": ("data", "dados"),
    "data_quality": ("data quality", "qualidade de dados"),
    "configuration": ("configuration", "configuração"),
    "killed": ("process died", "processo morreu"),
    "stopped": ("stopped by a person", "interrompida por uma pessoa"),
    "missed": ("missed", "perdida"),
    "stale": ("stale", "desatualizada"),
    "silent_feed": ("silent feed", "fonte silenciosa"),
    "drift": ("drift", "desvio do modelo"),
    "data_fault_as_drift": ("data fault that looks like drift", "defeito de dados que parece desvio"),
    "model_error": ("model error", "erro do modelo"),
    "secret_age": ("old secret", "segredo antigo"),
    "silent_platform": ("silent platform", "plataforma silenciosa"),
    "unknown": ("unknown", "desconhecida"),
}
STATES: Mapping[str, Text] = {
    "open": ("open", "aberto"),
    "acknowledged": ("acknowledged", "reconhecido"),
    "mitigated": ("mitigated", "mitigado"),
    "resolved": ("resolved", "resolvido"),
    "reopened": ("reopened", "reaberto"),
}
CHECKS: Mapping[Check, Text] = {
    "supported": ("evidence speaks for it", "há evidência a favor"),
    "refuted": ("evidence speaks against it", "há evidência contra"),
    "unchecked": ("could not be checked", "não pôde ser verificada"),
}
ASKED: Mapping[Asked, Text] = {
    "runs": ("records of runs", "registros de execuções"),
    "log": ("the run's log", "o registro da execução"),
    "report": ("the report of data quality", "o relatório de qualidade de dados"),
    "drift": ("the verdict on drift", "o parecer sobre desvio"),
    "training": ("Sunday's training", "o treino de domingo"),
    "changes": ("what was changed", "o que mudou"),
    "ages": ("ages of forecasts, feeds and secrets", "idades de previsões, fontes e segredos"),
    "predictions": ("what was shown", "o que foi mostrado"),
    "access": ("permissions", "permissões"),
    "deliveries": ("deliveries since", "entregas desde então"),
}
LACKING: Mapping[Lacking, Text] = {
    "absent": ("there is none yet", "ainda não existe"),
    "unreadable": ("it cannot be read", "não pode ser lido"),
    "outdated": ("it is from before the incident", "é de antes do incidente"),
    "out_of_reach": ("the platform cannot see it", "a plataforma não tem como ver"),
}
CHANGES: Mapping[ChangeKind, Text] = {
    "site": ("site file", "arquivo do hospital"),
    "feed": ("feed file", "arquivo da fonte"),
    "rules": ("rules", "regras"),
    "settings": ("settings", "configurações"),
    "definition": ("state machine", "máquina de estados"),
    "release": ("release", "versão"),
    "secret": ("secret", "segredo"),
    "model": ("model", "modelo"),
    "acceptance": ("acceptance", "aceite"),
    "regressors": ("forecasts of others", "previsões de terceiros"),
}
# The parts of a post-mortem, in their order.
POST_MORTEM: Mapping[str, Text] = {
    "title": ("Post-mortem of {incident}", "Post-mortem de {incident}"),
    "draft": (
        "Draft made of what is known. People complete it; it blames nobody.",
        "Rascunho feito com o que se sabe. Pessoas o completam; não culpa ninguém.",
    ),
    "summary": ("What happened", "O que aconteceu"),
    "impact": ("What it did to people's work", "Como afetou o trabalho das pessoas"),
    "symptoms": ("How it was noticed", "Como foi notado"),
    "evidence": ("Evidence", "Evidências"),
    "hypotheses": ("Hypotheses", "Hipóteses"),
    "unchecked": ("What could not be checked", "O que não pôde ser verificado"),
    "timeline": ("Timeline", "Linha do tempo"),
    "actions": ("What was done", "O que foi feito"),
    "well": ("What went well", "O que funcionou bem"),
    "follow_up": ("What is to be done so that it does not come again", "O que fazer para que não se repita"),
    "to_complete": ("(for people to complete)", "(a ser completado por pessoas)"),
    "nothing": ("nothing", "nada"),
    "detected": ("Noticed after {minutes} min.", "Notado após {minutes} min."),
    "lasted": ("Over after {minutes} min.", "Encerrado após {minutes} min."),
    "goes_on": ("It goes on.", "Continua."),
}
