"""`hops secrets set`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from healthcare_ops.entrypoints.cli.options import DEFAULT_STATE, Json, State, objects_of
from healthcare_ops.entrypoints.cli.output import console, emit_json

app = typer.Typer(help="Passwords and tokens, kept encrypted.", no_args_is_help=True, rich_markup_mode=None)


@app.command("set")
def set_secret(
    name: Annotated[str, typer.Argument(help="By what it is known, e.g. in notifications.toml.", show_default=False)],
    state: State = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """Keep a secret, in the place of one of that name: asked for on a terminal, otherwise the standard input's text.

    A line's end at its end is not part of it. The key of the pseudonyms is not set by hand: with another one, known
    patients would be strangers.

    Example: hops secrets set mail-password < password.txt
    """
    import getpass
    import re

    from healthcare_ops.adapters.local_secrets import LocalSecrets
    from healthcare_ops.adapters.state_lock import lock_state
    from healthcare_ops.core.clock import SystemClock
    from healthcare_ops.core.config import PSEUDONYM_KEY

    objects_of(state)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
        raise typer.BadParameter(f"{name!r} is not of letters, digits and `_.-`, 64 at most.", param_hint="NAME")
    if name == PSEUDONYM_KEY:
        raise typer.BadParameter(f"{name!r} is the key of the pseudonyms.", param_hint="NAME")
    value = getpass.getpass(f"{name}: ") if sys.stdin.isatty() else sys.stdin.read()
    value = value.removesuffix("\n").removesuffix("\r")
    if not value:
        raise typer.BadParameter("the secret is empty.", param_hint="standard input")
    with lock_state(state, wait_s=10):
        LocalSecrets(state / "secrets", SystemClock()).put(name, value.encode())
    if as_json:
        emit_json({"name": name, "is_set": True})
        return
    console().print(f"{name} is set", markup=False)
