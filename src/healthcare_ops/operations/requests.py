"""What other processes ask of the one that runs the engine, and its answers: objects of the state directory."""

from __future__ import annotations

import json
import re
import secrets
import time
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

from healthcare_ops.adapters.local_objects import LocalObjects
from healthcare_ops.adapters.state_lock import Lock, role_of_holder
from healthcare_ops.core.errors import ConfigError, LockedError, OpsError
from healthcare_ops.core.runs import RUN_TYPES, Failure
from healthcare_ops.operations.engine import Engine, type_of

# The role of an engine that answers requests.
SERVING = "hops-up"
_REQUESTS_PREFIX = "ops/requests/"
_ANSWERS_PREFIX = "ops/answers/"
_LOOK_EVERY_S = 0.1
_PATIENCE_S = 30.0
_RUN_ID = re.compile(r"[a-z_]+-[A-Za-z0-9-]+")

Request = dict[str, Any]


def is_served(state: Path) -> bool:
    """Tell whether a process answers requests to this state directory."""
    return role_of_holder(state, Lock.ENGINE) == SERVING


def grant(engine: Engine, request: Request) -> str:
    """Do what a request asks for; return the id of the run that it is about.

    A request is `{"do": "start", "type", "run_date", "as_of", "run_id"}` or `{"do": "redrive", "run_id"}`; instants
    and days are ISO text, empty if they are left to the engine.

    Raises
    ------
    ConfigError
        If it is none of these.
    OpsError
        What the engine says against it.
    """
    try:
        if request["do"] not in ("start", "redrive"):
            raise ValueError(f"{request['do']!r} is nothing to do")
        run_id = str(request["run_id"])
        if request["do"] == "start":
            run_type = RUN_TYPES[RUN_TYPES.index(request["type"])]
            run_date = date.fromisoformat(request["run_date"]) if request["run_date"] else None
            as_of = datetime.fromisoformat(request["as_of"]) if request["as_of"] else None
            if run_id and not (_RUN_ID.fullmatch(run_id) and type_of(run_id) == run_type):
                raise ValueError(f"{run_id!r} is no id of a {run_type} run")
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"the request is not understood: {error}.", next_step="Ask by `hops run`.") from error
    if request["do"] == "redrive":
        engine.redrive(run_id)
        return run_id
    return engine.start(run_type, run_date, as_of=as_of, run_id=run_id)


def ask(objects: LocalObjects, request: Request) -> str:
    """Leave a request; return the id of the run that came of it.

    Raises
    ------
    OpsError
        What the engine says against it.
    LockedError
        If it does not answer.
    """
    name = f"{secrets.token_hex(8)}.json"
    asked, answered = f"{_REQUESTS_PREFIX}{name}", f"{_ANSWERS_PREFIX}{name}"
    try:
        objects.write(asked, json.dumps(request).encode())
        until = time.monotonic() + _PATIENCE_S
        while not objects.exists(answered):
            if time.monotonic() > until:
                raise LockedError("`hops up` does not answer.", next_step="Look at what it says, or start it again.")
            time.sleep(_LOOK_EVERY_S)
        answer = json.loads(objects.read(answered))
    finally:  # also where somebody does not want to wait: what nobody waits for is not done later
        objects.delete(asked)
        objects.delete(answered)
    if answer["failure"]:
        raise Failure(**answer["failure"]).error
    return str(answer["run_id"])


def answer_all(engine: Engine) -> None:
    """Grant or refuse what was asked since last time."""
    objects = engine.objects
    for key in objects.list(_REQUESTS_PREFIX):
        document: dict[str, Any] = {"run_id": "", "failure": None}
        try:
            document["run_id"] = grant(engine, _read(objects, key))
        except OpsError as error:
            document["failure"] = asdict(Failure.of(error))
        objects.write(key.replace(_REQUESTS_PREFIX, _ANSWERS_PREFIX, 1), json.dumps(document).encode())
        objects.delete(key)


def _read(objects: LocalObjects, key: str) -> Request:
    try:
        return dict(json.loads(objects.read(key)))
    except (ValueError, TypeError, RecursionError, OSError) as error:
        raise ConfigError(f"{key} is no request: {error}.", next_step="Ask by `hops run`.") from error
