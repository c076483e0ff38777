"""Charts as SVG made on the server: no script, colours from the page's style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from markupsafe import Markup, escape

Values = Sequence[float | None]
_LETTER = 12


@dataclass(frozen=True)
class Tick:
    """A mark on the horizontal axis, `at` in the units of the values' index."""

    at: float
    text: str


@dataclass(frozen=True)
class Part:
    """A part of a whole, or a point of a trend, with the style it is drawn in and what it says when pointed at."""

    value: float | None
    style: str
    tip: str


@dataclass(frozen=True)
class Frame:
    """The plane of a chart: `count` equal parts from left to right, an index in the middle of one; 0…`top` upwards."""

    title: str
    count: int
    top: float
    width: int = 1100
    height: int = 190
    left: int = 52
    bottom: int = 24

    def x(self, index: float) -> float:
        """Return the horizontal place of an index."""
        return round(self.left + (index + 0.5) / max(self.count, 1) * (self.width - self.left - 8), 1)

    def y(self, value: float) -> float:
        """Return the vertical place of a value."""
        usable = self.height - self.bottom - 10
        return round(10 + usable * (1.0 - value / self.top), 1)


def nice_top(values: Values) -> float:
    """Return a round number at or above every value, at least 1."""
    highest = max((value for value in values if value is not None), default=1.0)
    highest = max(highest, 1.0)
    unit: float = 10 ** floor(log10(highest))
    return next(step * unit for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if step * unit >= highest)


def chart(frame: Frame, ticks: Sequence[Tick], *parts: Markup) -> Markup:
    """Return the chart with its axes under the parts."""
    lines = [_gridline(frame, frame.top * share) for share in (0, 0.5, 1)]
    marks = [
        f'<text x="{frame.x(tick.at)}" y="{frame.height - 6}" text-anchor="middle">{escape(tick.text)}</text>'
        for tick in ticks
    ]
    return Markup(
        f'<svg viewBox="0 0 {frame.width} {frame.height}" role="img" aria-label="{escape(frame.title)}">'
        f"<title>{escape(frame.title)}</title>{''.join(lines)}{''.join(parts)}{''.join(marks)}</svg>"
    )


def line(frame: Frame, values: Values, style: str, first: int = 0) -> Markup:
    """Return a line that breaks where a value is null."""
    path, is_open = [], False
    for index, value in enumerate(values):
        if value is None:
            is_open = False
            continue
        path.append(f"{'L' if is_open else 'M'}{frame.x(first + index)} {frame.y(value)}")
        is_open = True
    return Markup(f'<path class="{style}" d="{" ".join(path)}"/>')


def dots(frame: Frame, values: Values, style: str) -> Markup:
    """Return a point per value that stands alone, which a line would not show."""
    alone = [
        index
        for index, value in enumerate(values)
        if value is not None
        and all(beside is None for beside in (*values[max(index - 1, 0) : index], *values[index + 1 : index + 2]))
    ]
    return Markup("").join(
        Markup(f'<circle class="{style}" cx="{frame.x(index)}" cy="{frame.y(values[index] or 0.0)}" r="2.5"/>')
        for index in alone
    )


def band(frame: Frame, low: Sequence[float], high: Sequence[float], style: str, first: int = 0) -> Markup:
    """Return the area between two lines."""
    upper = [f"{frame.x(first + index)} {frame.y(min(value, frame.top))}" for index, value in enumerate(high)]
    lower = [f"{frame.x(first + index)} {frame.y(value)}" for index, value in enumerate(low)]
    return Markup(f'<path class="{style}" d="M{" L".join(upper + lower[::-1])}Z"/>')


def bars(frame: Frame, values: Values, style: str) -> Markup:
    """Return one bar per value, as a single path."""
    width = max((frame.width - frame.left - 8) / max(frame.count, 1) * 0.75, 0.8)
    path = [
        f"M{frame.x(index)} {frame.y(0)}V{frame.y(value)}" for index, value in enumerate(values) if value is not None
    ]
    return Markup(f'<path class="{style}" style="stroke-width:{width:.2f}" d="{"".join(path)}"/>')


def level(frame: Frame, value: float, text: str) -> Markup:
    """Return a horizontal limit with its name."""
    if value > frame.top:
        return Markup("")
    y = frame.y(value)
    name_y = y - 4 if y > 2 * _LETTER else y + _LETTER + 2  # below the line where there is no room above it
    return Markup(
        f'<path class="limit" d="M{frame.left} {y}H{frame.width - 8}"/>'
        f'<text class="limit-name" x="{frame.width - 10}" y="{name_y:g}" text-anchor="end">{escape(text)}</text>'
    )


def moment(frame: Frame, index: float, text: str) -> Markup:
    """Return a vertical mark with its name."""
    x = frame.x(index)
    return Markup(
        f'<path class="now" d="M{x} 6V{frame.height - frame.bottom}"/>'
        f'<text class="now-name" x="{x + 5}" y="16">{escape(text)}</text>'
    )


def heat_map(title: str, values: Sequence[Values], rows: Sequence[str], columns: Sequence[str]) -> Markup:
    """Return a grid whose cells are darker for more, each with its number as a tooltip; none where a value is null."""
    highest = max((value for row in values for value in row if value is not None), default=0.0) or 1.0
    width, cell, top = 1100, 26, 18
    step = (width - 50) / max(len(columns), 1)
    cells = []
    for r, row in enumerate(values):
        cells.append(f'<text x="42" y="{top + r * cell + 17}" text-anchor="end">{escape(rows[r])}</text>')
        for c, value in enumerate(row):
            if value is None:
                continue
            share = value / highest
            place = f'x="{50 + c * step:.1f}" y="{top + r * cell}" width="{step - 2:.1f}" height="{cell - 2}"'
            tip = f"<title>{escape(rows[r])} {escape(columns[c])}: {value:.1f}</title>"
            cells.append(f'<rect class="heat" {place} rx="3" fill-opacity="{0.06 + 0.94 * share:.2f}">{tip}</rect>')
    heads = [
        f'<text x="{50 + c * step + step / 2:.1f}" y="12" text-anchor="middle">{escape(name)}</text>'
        for c, name in enumerate(columns)
        if c % 3 == 0
    ]
    height = ceil(top + cell * len(values))
    return Markup(
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>'
        f"{''.join(heads)}{''.join(cells)}</svg>"
    )


def stack(title: str, parts: Sequence[Part], whole: float, mark: float | None = None) -> Markup:
    """Return parts of a whole side by side, as wide as the page lets them be, with a mark at a value."""
    scale, at, drawn = 1000.0 / (whole or 1.0), 0.0, []
    for part in parts:
        width = max((part.value or 0.0) * scale, 0.0)
        if width:
            # However small, a part is seen, at the right end too.
            place = f'x="{min(at, 998.0):.1f}" y="0" width="{max(width, 2.0):.1f}" height="10"'
            drawn.append(f'<rect class="part {escape(part.style)}" {place}><title>{escape(part.tip)}</title></rect>')
        at += width
    if mark is not None:
        drawn.append(f'<path class="mark" d="M{mark * scale:.1f} 0V10"/>')
    return Markup(
        f'<svg class="stack" viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label="{escape(title)}">'
        f'<title>{escape(title)}</title><rect class="ground" width="1000" height="10"/>{"".join(drawn)}</svg>'
    )


def sparkline(title: str, points: Sequence[Part], lowest: float | None = None) -> Markup:
    """Return a small line from the oldest point to the newest, which is larger; it breaks where a value is null.

    It stands between `lowest` (the least of the values, if null) and the highest value.
    """
    known = [point.value for point in points if point.value is not None]
    base = min(known, default=0.0) if lowest is None else lowest
    above = [None if point.value is None else point.value - base for point in points]
    frame = Frame(title, len(points), max((v for v in above if v is not None), default=0.0) or 1.0, 180, 40, 4, 8)
    dots = [
        f'<circle class="part {escape(point.style)}" cx="{frame.x(n)}" cy="{frame.y(value)}" r="{_radius(n, points)}">'
        f"<title>{escape(point.tip)}</title></circle>"
        for n, (point, value) in enumerate(zip(points, above, strict=True))
        if value is not None
    ]
    return Markup(
        f'<svg class="spark" viewBox="0 0 {frame.width} {frame.height}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{line(frame, above, 'line soft')}{''.join(dots)}</svg>"
    )


def _radius(index: int, points: Sequence[Part]) -> float:
    return 4.5 if index == len(points) - 1 else 2.5


def _gridline(frame: Frame, value: float) -> str:
    y = frame.y(value)
    return (
        f'<path class="grid" d="M{frame.left} {y}H{frame.width - 8}"/>'
        f'<text x="{frame.left - 6}" y="{y + 4}" text-anchor="end">{value:g}</text>'
    )
