"""What a state sees beside its document: the context object `$$`, and the variables `$name`."""

from __future__ import annotations

from collections.abc import Mapping

from healthcare_ops.orchestrator.jsonpath import Path, PathError
from healthcare_ops.orchestrator.values import Json


class Context(dict[str, Json]):
    """The context object, with the variables of the scope that a state is in."""

    def __init__(self, fields: Mapping[str, Json], variables: dict[str, Json] | None = None) -> None:
        super().__init__(fields)
        self.variables = {} if variables is None else variables

    def having(self, **fields: Json) -> Context:
        """Return the context with other fields and the same variables."""
        return Context({**self, **fields}, self.variables)

    def inner(self, **fields: Json) -> Context:
        """Return the context of a branch: it sees the variables of the scope around it, and sets its own."""
        return Context({**self, **fields}, dict(self.variables))


def root_of(path: Path, document: Json, context: Json) -> Json:
    """Return what a path starts from; `PathError` if it is a variable that was never assigned."""
    if path.is_context:
        return context
    if not path.variable:
        return document
    variables = context.variables if isinstance(context, Context) else {}
    if path.variable not in variables:
        raise PathError(f"no variable ${path.variable}")
    return variables[path.variable]
