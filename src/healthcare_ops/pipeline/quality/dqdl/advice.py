"""How to write what somebody meant, where a text is no DQDL.

Nothing here decides what is DQDL: the grammar has refused the text already, and a slip that is not known is told as
what was found and what can stand there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from decimal import Decimal

from healthcare_ops.pipeline.quality.dqdl.rule_types import RULE_TYPES
from healthcare_ops.pipeline.quality.dqdl.slips import LOOKED_AT, SLIPS, TYPES, Advice, Place
from healthcare_ops.pipeline.quality.dqdl.words import KEYWORDS, nearest, shown, slip_in

_SECTIONS = ("Metadata", "DataSources", "DefaultLabels", "Rules", "Analyzers")
_TEXT_OR_COMMENT = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")|#[^\n]*', re.DOTALL)
_TEXT_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\](){}]', re.DOTALL)
_CLOSERS = {"[": "]", "(": ")", "{": "}"}
_COMPARISONS = {"=>": ">=", "=<": "<=", "==": "=", "===": "=", "<>": "!=", "><": "!=", ">=": ">=", "<=": "<="}
_UNITS = {"d": "days", "h": "hours", "hrs": "hours", "hr": "hours", "m": "minutes", "min": "minutes", "mins": "minutes"}
_UNITS |= {unit: f"{unit}s" for unit in ("day", "hour", "minute")}
_VALUES = {"null": "NULL", "none": "NULL", "nil": "NULL", "now": "now()"}
_SIZES = ("KB", "MB", "GB", "TB")
# Names of the grammar that alone can stand somewhere.
_A_TEXT, _A_BRACKET, _AN_EQUALS = ({"STRING"}, {"LPAR"}, {"EQ"})


def advice(source: str, at: int, accepts: Collection[str] = ()) -> Advice | None:
    """Return what somebody meant who wrote the text, which is no DQDL from a place on; None if nobody can tell."""
    before = _TEXT_OR_COMMENT.sub(lambda found: found[1] or " " * len(found[0]), source[:at])
    place = Place(before, source[at : at + LOOKED_AT], accepts)
    return next((found for look in _LOOKS if (found := look(place))), None)


def open_text(source: str) -> int | None:
    """Return where the first quoted text begins that goes over lines: its end is likely to be missing."""
    texts = (found for found in _TEXT_OR_COMMENT.finditer(source) if found[1] and "\n" in found[1])
    return next((found.start() for found in texts), None)


def _brackets(place: Place) -> Advice | None:
    """Look for a bracket that is not closed, or closed by another one, or closes nothing."""
    open_brackets: list[tuple[str, int]] = []
    for found in _TEXT_OR_BRACKET.finditer(place.before):
        if found[0] in _CLOSERS:
            open_brackets.append((found[0], found.start()))
        elif open_brackets and not found[0].startswith('"'):
            open_brackets.pop()
    if not open_brackets:
        return _behind_the_end(place)
    bracket, at = open_brackets[-1]
    if not place.rest:
        fault = f"found the end of the text; the {bracket} {_spoken(place.before, at)} is not closed"
        more = ", or one behind it" if len(open_brackets) == 1 and place.before.count(bracket) > 1 else ""
        return Advice(f"{fault}{more}; write {_CLOSERS[bracket]}.", place.at)
    if place.rest[0] in "])}" and place.rest[0] != _CLOSERS[bracket]:
        fault = f"found {place.rest[0]} where {_CLOSERS[bracket]} must close the {bracket}"
        return Advice(f"{fault} {_spoken(place.before, at)}.", place.at)
    return None


def _behind_the_end(place: Place) -> Advice | None:
    if place.behind(r"\]\s*") and place.rest[:1] in ("]", ",", ";", ")", "}"):
        return Advice(f"found {place.found} behind the ] of Rules, where only Analyzers can stand.", place.at)
    return None


def _spoken(text: str, at: int) -> str:
    line = text.count("\n", 0, at) + 1
    return f"of line {line}, column {at - text.rfind(chr(10), 0, at)}"


def _comparison(place: Place) -> Advice | None:
    begun, rest = place.behind(r"[=<>!]+\s*"), re.match(r"[=<>]+", place.rest)
    if not begun or not rest:
        return None
    right = _COMPARISONS.get(begun[0].strip() + rest[0])
    hint = f"write {right}" if right else "a comparison is one of = != > >= < <="
    return Advice(f"found {begun[0]}{rest[0]}; {hint}.", begun.start())


def _number(place: Place) -> Advice | None:
    """Look for a number with a comma or a percent sign."""
    percent = place.behind(r"\b([0-9]+(?:\.[0-9]+)?)\s*")
    if percent and place.rest.startswith("%"):
        share = format((Decimal(percent[1]) / 100).normalize(), "f")
        return Advice(
            f"found {shown(percent[1])} %; a share is a number from 0 to 1: {shown(share)}.", percent.start(1)
        )
    begun = place.behind(r"(?<![\w.])([0-9][0-9.]*)(,?)")
    rest = re.match(r"(,?)([0-9]+(?:\.[0-9]+)?)(?![\w.])", place.rest)
    if not begun or not rest or len(begun[2] + rest[1]) != 1 or "COMMA" in place.accepts:
        return None
    return Advice(f"found {shown(f'{begun[1]},{rest[2]}')}; {_with_a_point(begun[1], rest[2])}.", begun.start())


def _with_a_point(whole: str, part: str) -> str:
    thousands = "numbers have a decimal point, and nothing between thousands"
    digits = whole.replace(".", "")
    if "." in part:
        return f"{thousands}: {shown(digits + part)}"
    pointed = shown(f"{digits}.{part}")
    if "." in whole:
        return f"{thousands}: {pointed}"
    if len(part) == 3 and not whole.startswith("0"):
        return f"{thousands}: {shown(digits + part)}, or {pointed}"
    return f"numbers have a decimal point: {pointed}"


def _value(place: Place) -> Advice | None:
    """Look for a word where a value can stand: it was read as the name of a function."""
    word = place.behind(r"(?<![\w.])([A-Za-z0-9_.]+)\s*")
    if not word or set(place.accepts) != _A_BRACKET:
        return None
    return Advice(f"found {shown(word[1])}; {_instead_of(word[1])}.", word.start())


def _instead_of(word: str) -> str:
    if word in RULE_TYPES:
        return "a value or a bracket is missing before this rule"
    if right := _VALUES.get(word.lower()):
        return f"write {right}"
    if re.fullmatch(r"[0-9]{1,3}(?:\.[0-9]{3}){2,5}", word):
        return f"nothing stands between thousands: {word.replace('.', '')}"
    amount = re.fullmatch(r"([0-9]{1,15})([a-z]+)", word, re.IGNORECASE)
    unit = _unit(amount[2]) if amount else ""
    if amount and unit:
        return f"write {amount[1]} {unit}"
    if re.fullmatch(r"\.?[0-9]{1,15}(?:\.[0-9]{0,15})?(?:[eE][0-9]{1,2})?", word):
        return f"write {shown(format(Decimal(word), 'f'))}"
    return f'a text stands in double quotes: "{shown(word)}"'


def _unit(word: str) -> str:
    """Return the unit that is meant by a word; "" if it is none."""
    word = word.lower()
    if word in _UNITS or word in _UNITS.values():
        return _UNITS.get(word, word)
    return word.upper() if word.upper() in _SIZES else ""


def _word(place: Place) -> Advice | None:
    """Look for a word that is not of the language, or stands in the wrong place."""
    keywords = "|".join(KEYWORDS)
    read = place.behind(rf"(?<![\w.$])({keywords}|is)(\s+(?:{keywords}))?\s*", re.IGNORECASE)
    if read and place.is_of_parameters and (told := _miswritten(read[0].split())):
        return Advice(told, read.start())
    rest = re.match(r"[A-Za-z][\w.]*", place.rest)
    told = _told_of(rest[0], place) if rest else ""
    return Advice(told, place.at) if told else None


def _miswritten(words: list[str]) -> str:
    if words[0].lower() in KEYWORDS and words != [word.lower() for word in words]:
        return f"found {' '.join(words)}; write {' '.join(words).lower()}, in small letters."
    return slip_in(words[0]) if words[0].lower() not in KEYWORDS else ""


def _told_of(word: str, place: Place) -> str:
    """Return what is wrong with a word that begins where the grammar ends; "" if nobody can tell."""
    if word.lower() in KEYWORDS and word != word.lower():
        return slip_in(word)
    if "DURATION_UNIT" in place.accepts and (unit := _unit(word)):
        return f"found {word}; write {unit}{', also of one' if word.lower() + 's' == unit else ''}."
    return ""


def _section(place: Place) -> Advice | None:
    """Look for a part of the document that is miswritten, or has no name at all."""
    named = place.behind(r"(?<![\w.])([A-Za-z0-9_.]+)\s*=\s*\[\s*")
    if named and set(place.accepts) == _A_TEXT and _begins_a_rule(place.rest):
        near = nearest(named[1], _SECTIONS)
        return Advice(f"found {shown(named[1])}; write {near or 'Rules'} = [ … ].", named.start())
    bare = place.behind(rf"({TYPES})\s*")
    if bare and not place.before[: bare.start()].strip() and set(place.accepts) == _AN_EQUALS:
        return Advice(f"found {bare[1]} outside of Rules; write Rules = [ {bare[1]} … ].", bare.start())
    return None


def _begins_a_rule(text: str) -> bool:
    word = re.match(r"\w+", text)
    return text.startswith("(") or bool(word and nearest(word[0], RULE_TYPES))


def _letter(place: Place) -> Advice | None:
    """Look for a name with letters that only quoted names have."""
    begun, rest = place.behind(r"[\w.]*"), re.match(r"[\w.-]+", place.rest)
    if place.accepts or not begun or not rest:
        return None
    whole = shown(begun[0] + rest[0])
    return Advice(
        f'found {whole}; a name with other letters than A to Z stands in double quotes: "{whole}".', begun.start()
    )


def _slip(place: Place) -> Advice | None:
    return next(filter(None, (slip.told(place) for slip in SLIPS)), None)


_LOOKS: tuple[Callable[[Place], Advice | None], ...] = (
    _brackets,
    _comparison,
    _number,
    _value,
    _word,
    _section,
    _slip,
    _letter,
)
