"""Slips of people who write DQDL: by what stands before and behind the place where the grammar ends."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from healthcare_ops.pipeline.quality.dqdl.rule_types import RULE_TYPES
from healthcare_ops.pipeline.quality.dqdl.words import shown

LOOKED_AT = 300
TYPES = "|".join(RULE_TYPES)


@dataclass(frozen=True)
class Advice:
    """What is wrong and how to write it, and the place of it in the text, from 0."""

    fault: str
    at: int


@dataclass(frozen=True)
class Place:
    """Where the grammar ends: what stands before (comments made blanks) and from there on, what could stand there.

    `accepts` are names of the grammar; none, where a character begins nothing in DQDL.
    """

    before: str
    rest: str
    accepts: Collection[str]

    @property
    def at(self) -> int:
        """Return the place in the text, from 0."""
        return len(self.before)

    @property
    def is_of_parameters(self) -> bool:
        """Tell whether a parameter could stand here, or a condition."""
        return {"IDENT", "GE"} <= set(self.accepts)

    @property
    def found(self) -> str:
        """Return the piece of text that begins here, as a message shows it."""
        piece = re.match(r'"[^"\n]*"?|[\w.]+|\S', self.rest)
        return shown(piece[0]) if piece else "the end of the text"

    def behind(self, pattern: str, flags: re.RegexFlag = re.NOFLAG) -> re.Match[str] | None:
        """Return how the text before ends, if it ends so."""
        return re.compile(rf"(?:{pattern})\Z", flags).search(self.before, max(0, self.at - LOOKED_AT))


@dataclass(frozen=True)
class Slip:
    """How the text before ends, how it goes on, and what to say.

    In what is said `{sign}` is how it goes on, `{found}` the piece of text that begins there, others are groups of the
    two. The fault stands at the group `here`, if there is one. `accepts` are names of what must be able to stand there,
    with `=` nothing else.
    """

    before: str
    rest: str
    fault: str
    accepts: str = ""

    def told(self, place: Place) -> Advice | None:
        """Return what to say if this is the slip."""
        if not self._is_among(set(place.accepts)):
            return None
        ends, begins = place.behind(self.before), re.match(self.rest, place.rest)
        if not ends or not begins:
            return None
        groups = {name: shown(text or "") for name, text in (ends.groupdict() | begins.groupdict()).items()}
        at = ends.start("here") if "here" in groups else place.at
        return Advice(self.fault.format(found=place.found, sign=shown(begins[0]), **groups), at)

    def _is_among(self, accepts: set[str]) -> bool:
        wanted = set(self.accepts.lstrip("=").split())
        return wanted == accepts if self.accepts.startswith("=") else wanted <= accepts


SLIPS = (
    Slip(
        "",
        r"(?P<open>[“”„«»])(?P<text>[^“”„«»\"\n]*)[“”«»]",
        'found {open}; texts stand in straight double quotes: "{text}".',
    ),
    Slip("", r"[“”„«»]", "found {sign}; texts stand in straight double quotes."),
    Slip(
        "",
        r"(?P<open>['‘’‚`´])(?P<text>[^'‘’‚`´\"\n]*)['‘’`´]",
        'found {open}; texts stand in double quotes: "{text}".',
    ),
    Slip("", r"['‘’‚`´]", "found {sign}; texts stand in double quotes."),
    Slip(
        "",
        r"[\xa0\u2000-\u200d\u202f\u2060\u3000\ufeff]",
        "found {sign}, a blank of word processors; write a plain one.",
    ),
    Slip("", r"≥", "found ≥; write >=."),
    Slip("", r"≤", "found ≤; write <=."),
    Slip("", r"≠", "found ≠; write !=."),
    Slip("", r"[–—−]", "found {sign}; write -."),
    Slip("", r";", "found a semicolon; rules are parted by commas."),
    Slip("", r"&&?", "found {sign}; rules are joined by and, each in brackets: (…) and (…)."),
    Slip("", r"\|\|?", "found {sign}; rules are joined by or, each in brackets: (…) or (…)."),
    Slip("", r"!", "found !; not equal is !=, and not stands before in, between and matches."),
    Slip("", rf"(?:{TYPES})(?![\w.])", "found {sign}; a comma is missing before it.", "COMMA"),
    Slip("", r"where(?![\w.])", "found where; it stands before labels and with.", "_WITH"),
    Slip("", r"(?i:threshold)(?![\w.])", "found {sign}; write with threshold.", "_WITH"),
    Slip("", r"not(?![\w.])", "found not; it stands before in, between and matches alone.", "IDENT LPAR"),
    Slip("", r"Rules(?![\w.])", "found Rules; they stand once, before Analyzers.", "$END"),
    Slip("", r"//|--|/\*", "found {sign}; a comment begins with #."),
    Slip(r"\A\s*", r"\{", "found {{; a file of rules is no JSON, and begins with Rules = [."),
    Slip(
        r"\b(?P<part>Rules|Analyzers|DefaultLabels)\s*",
        r"[\[({:]",
        "found {sign} where = can stand; write {part} = [ … ].",
        "=EQ",
    ),
    Slip(
        r"\b(?P<part>Rules|Analyzers)\s*=\s*",
        r"\S",
        "found {found} where [ can stand; write {part} = [ … ].",
        "=LSQB",
    ),
    Slip(r"(?P<here>\blabel)\s*=\s*", r"\[", 'found label; write labels=["key"="value"].'),
    Slip(r"\blabels\s*", r"[\[({:]", 'found {sign} where = can stand; write labels=["key"="value"].', "=EQ"),
    Slip(r"\blabels\s*=\s*", r"\S", 'found {found} where [ can stand; write labels=["key"="value"].', "=LSQB"),
    Slip(r'"\s*', r":", 'found : where = can stand; a label is written "key"="value".', "=EQ"),
    Slip(r"\bwhere\s*", r"\S", 'found {found}; what where takes stands in double quotes: where "…".', "=STRING"),
    Slip(
        r'\bwhere\s*"[^"\n]*"',
        r"[\w.]+",
        "found {sign} right behind a quote; within where texts stand in single quotes: '{sign}'.",
    ),
    Slip(r"\bmatches\s*", r"\S", 'found {found}; a pattern stands in double quotes: matches "…".', "=STRING"),
    Slip(r"\bin\s*", r"\S", 'found {found} where [ or a $constant can stand; write in ["a", "b"].', "LSQB"),
    Slip(
        r"\bbetween\s(?:(?!\band\b)[^\[\]])*",
        r"\S",
        "found {found} where and can stand; write between 1 and 10.",
        "_AND",
    ),
    Slip(r",\s*", r"[\])]", "found {sign} behind a comma; take the comma away, or write what should follow it."),
    Slip(r"\[\s*", r",", "found a comma before the first rule; take it away.", "IDENT LPAR"),
    Slip(r"(?P<here>now\(\))\s*", r"[+-]", "found now() {sign}; write (now() {sign} 3 days), in brackets."),
    Slip("", r"[<>=!]+", "found {sign}; an analyzer has no condition.", "COMMA _OF"),
    Slip(r",\s*", r",", "found a second comma; take it away."),
    Slip(
        r"(?:,|\band|\bor)\s*",
        r"[<>=!]+",
        "found {sign}; a rule has one condition: write between 5 and 10, or two rules.",
        "IDENT",
    ),
    Slip(
        r",\s*",
        r'"',
        "found {found} where a rule can stand; parameters are parted by blanks, without commas.",
        "=IDENT LPAR",
    ),
    Slip(
        r"(?P<here>(?<![\w.])[\w.]+)",
        r"-[\w.-]+",
        'found {here}{sign}; a name with - stands in double quotes: "{here}{sign}".',
        "IDENT GE",
    ),
    Slip(
        rf"\b(?P<type>{TYPES})\s*",
        r"[\[(]",
        'found {sign}; parameters stand without brackets: {type} "…".',
        "IDENT GE",
    ),
    Slip(
        r"\bwith\s+(?P<tag>[\w.]+)\s*",
        r"[0-9.]+",
        "found {sign} where a comparison can stand; write with {tag} > {sign}.",
        "GE",
    ),
    Slip("", r"[0-9.]+", "found {sign} where a comparison can stand; write > {sign}.", "GE"),
    Slip("", r"[\w.]+", 'found {sign}; it stands in double quotes: "{sign}".', "=STRING"),
)
