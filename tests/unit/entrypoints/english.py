"""What of the English texts nobody who asked for Portuguese must read."""

from __future__ import annotations

import re

from healthcare_ops.entrypoints.page.quality_texts import QUALITY_PAIRS, TERMINAL_PAIRS
from healthcare_ops.pipeline.quality.wording.rules import SHIPPED_PT
from healthcare_ops.pipeline.quality.wording.texts import FAULTS, REASONS, ROWS, TEXTS


def english_sentences() -> set[str]:
    """Return what stands between the places to be filled of each English text, if it has three words or more."""
    tables = (TEXTS, QUALITY_PAIRS, TERMINAL_PAIRS, REASONS, FAULTS, ROWS)
    texts = [*(english for table in tables for english, _ in table.values()), *SHIPPED_PT]
    parts = {part.strip(" .,;:()") for text in texts for part in re.split(r"\{[^}]*\}", text)}
    return {part for part in parts if part.count(" ") >= 2}
