"""The languages in which people are told things, and how each writes numbers and days."""

from __future__ import annotations

from datetime import date
from typing import Literal, get_args

Language = Literal["en", "pt-BR"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
# A text in each of them, in their order.
Text = tuple[str, str]

_MONTHS = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "pt-BR": ("jan", "fev", "mar", "abr", "mai", "jun", "jul", "ago", "set", "out", "nov", "dez"),
}
_WEEKDAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "pt-BR": ("segunda-feira", "terça-feira", "quarta-feira", "quinta-feira", "sexta-feira", "sábado", "domingo"),
}
_BRAZILIAN = str.maketrans(",.", ".,")


def text_in(text: Text, language: Language) -> str:
    """Return a text in a language."""
    return text[LANGUAGES.index(language)]


def as_written(number: str, language: Language) -> str:
    """Return a number as the language writes one that is written as in English: 1,234.5 or 1.234,5."""
    return number.translate(_BRAZILIAN) if language == "pt-BR" else number


def day_in(day: date, language: Language) -> str:
    """Return a day in digits: 2026-03-07 or 07/03/2026."""
    return format(day, "%d/%m/%Y" if language == "pt-BR" else "%Y-%m-%d")


def month_in(number: int, language: Language) -> str:
    """Return a month's short name, January = 1."""
    return _MONTHS[language][number - 1]


def weekday_in(day: date, language: Language) -> str:
    """Return the name of a day's weekday."""
    return _WEEKDAYS[language][day.weekday()]
