"""The words of DQDL, and what people write in their place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

# Words that count in small letters alone; `and`, `or` and `of` have capitals too.
KEYWORDS = ("not", "between", "in", "matches", "where", "with", "labels")
_OTHERS = {
    "like": 'write matches "…", a regular expression of the whole text',
    "rlike": 'write matches "…", a regular expression of the whole text',
    "is": "write = NULL or != NULL, or the rule IsComplete",
}
# Signs of word processors that a terminal shows as they are.
_SIGNS = "…“”„«»‘’‚´≥≤≠–—−"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that looks most like this one, whatever its case; "" if none does."""
    by_lower = {one.lower(): one for one in known}
    found = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else ""


def slip_in(word: str) -> str:
    """Return what is wrong with a word that stands where a name can; "" if it may be a name."""
    if word.lower() in KEYWORDS:
        return f"found {word}; write {word.lower()}, in small letters."
    hint = _OTHERS.get(word.lower())
    return f"found {word}; {hint}." if hint else ""


def shown(text: str) -> str:
    """Return a piece of the text as a message can show it: one line, no character that draws nothing."""
    short = text if len(text) <= 40 else f"{text[:39]}…"
    return re.sub(rf"[^ -~\w{_SIGNS}]", lambda match: f"U+{ord(match[0]):04X}", short)
