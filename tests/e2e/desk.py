"""The files that an operator has at hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from e2e.deliveries import FEED, SITE, visits


@dataclass(frozen=True)
class Desk:
    """The files that an operator has at hand, and the state directory to work on."""

    folder: Path
    state: Path

    @property
    def site(self) -> Path:
        return self.folder / "site.toml"

    @property
    def feed(self) -> Path:
        return self.folder / "visits.toml"

    @property
    def visits(self) -> Path:
        # A name that a terminal, a shell pattern or markup could take for more than a name.
        return self.folder / "visits [red]\x1b[31m*.csv"

    def write(self, name: str, content: str | bytes) -> Path:
        """Lay down a file."""
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


def lay_out(folder: Path, state: Path) -> Desk:
    """Write the hospital's files into a folder."""
    desk = Desk(folder, state)
    for path, text in ((desk.site, SITE), (desk.feed, FEED), (desk.visits, visits())):
        path.write_text(text, encoding="utf-8")
    return desk
