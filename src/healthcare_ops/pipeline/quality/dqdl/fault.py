"""What is wrong with a DQDL document, and where."""

from __future__ import annotations

from healthcare_ops.core.errors import ConfigError, Reason
from healthcare_ops.pipeline.quality.dqdl.syntax import Position

_NEXT_STEP = "Mend the rules; docs/dqdl.md shows the language."


class DqdlError(ConfigError):
    """A DQDL document cannot be read, or not be compiled.

    Attributes
    ----------
    fault
        What was found and which rule it breaks, without the position.
    line, column
        Where, from 1; a column is a character.
    """

    def __init__(self, fault: str, position: Position, *, next_step: str = _NEXT_STEP) -> None:
        fault = fault if fault.endswith((".", "?")) else f"{fault}."
        super().__init__(f"line {position.line}, column {position.column}: {fault}", next_step=next_step)
        self.fault = fault
        self.line = position.line
        self.column = position.column

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.fault, self.line, self.column, self.next_step))

    def about(self, what: str) -> ConfigError:
        """Return an error with what it is about before its message: it belongs to no document any more."""
        return ConfigError(f"{what}: {self.message}", next_step=self.next_step, reason=Reason.CONFIG)


def _rebuild(fault: str, line: int, column: int, next_step: str) -> DqdlError:
    return DqdlError(fault, Position(line, column), next_step=next_step)
