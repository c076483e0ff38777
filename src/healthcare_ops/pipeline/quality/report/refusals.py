"""A delivered file that was refused whole, as it is kept and told: nothing of it quotes what stands in the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from healthcare_ops.core.reasons import FileFault
from healthcare_ops.pipeline.quality.wording.findings import refusal_reason


@dataclass(frozen=True)
class RefusedFile:
    """A file by its name and the SHA-256 of its bytes, when it was refused (aware), and why.

    `line` (from 1) is where; null if it is no one line that is at fault. `accepted` says who took it back, when and
    why, if anybody did: it is told still, and waited for no more.
    """

    source_file: str
    sha256: str
    refused_at: datetime
    fault: FileFault
    line: int | None = None
    accepted: Mapping[str, Any] | None = None

    @property
    def message(self) -> str:
        """Return why it was refused; the words are the product's own, and no value of the file is among them."""
        return refusal_reason({"reason_code": self.fault, "line": self.line})

    @property
    def document(self) -> dict[str, Any]:
        """Return it as plain values, as reports hold it and as it is kept."""
        return {
            "source_file": self.source_file,
            "sha256": self.sha256,
            "refused_at": self.refused_at.isoformat(),
            "reason_code": self.fault.value,
            "line": self.line,
            "message": self.message,
            **({"accepted": dict(self.accepted)} if self.accepted else {}),
        }


def refused_file(document: Mapping[str, Any]) -> RefusedFile:
    """Return what a `document` says; `KeyError`, `TypeError` or `ValueError` if it is none."""
    return RefusedFile(
        str(document["source_file"]),
        str(document["sha256"]),
        datetime.fromisoformat(document["refused_at"]),
        FileFault(document["reason_code"]),
        document["line"],
    )


def refused_section(file: Mapping[str, Any], feed_id: str) -> dict[str, Any]:
    """Return what a report's document of a file says as a finding, of the form of those of figures and clocks."""
    return {
        **file,
        "rule_id": refusals_id(feed_id),
        "rule": "refused",
        "feed_id": feed_id,
        "day": file["refused_at"][:10],
        "verdict": "pass" if file.get("accepted") else "warn",
    }


def refusals_id(feed_id: str) -> str:
    """Return under what name the score counts the refused files of a feed."""
    return f"refused.{feed_id}"


def is_of_refused(rule_id: str) -> bool:
    """Tell whether the score counts the refused files of a feed under a name."""
    return rule_id.startswith(refusals_id(""))
