"""A project of the tiny preset on copied logs, and ways to spoil it."""

import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from mtmd.extras.check.check import check_project
from mtmd.extras.check.findings import Finding, Level, ProjectCheck
from tests.validate.conftest import damaged

AS_OF = date(2026, 1, 23)  # the newest of the tests' days
PRESET = 'base = "tiny"\nname = "mine"\nsql = "sql"\n'


@dataclass(frozen=True)
class Project:
    """A folder with `preset.toml`, `sql/` and `logs/`."""

    root: Path

    @property
    def preset(self) -> Path:
        return self.root / "preset.toml"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def say(self, *lines: str, preset: str = PRESET) -> None:
        self.preset.write_text("\n".join((preset, *lines)))

    def file(self, table: str, day: date = AS_OF) -> Path:
        (path,) = (self.logs / table / f"date={day}").glob("*.parquet")
        return path

    def damage(self, table: str, *statements: str, day: date = AS_OF) -> None:
        """Change a day's table, named `t`, with SQL."""
        damaged(self.file(table, day), *statements)

    def statement(self, table: str, text: str) -> None:
        (self.root / "sql" / f"source_{table}.sql").write_text(text)

    def check(self, as_of: date | None = None) -> ProjectCheck:
        return check_project(str(self.preset), logs=str(self.logs), as_of=as_of)

    def problems(self, as_of: date | None = None) -> list[str]:
        return self._at(Level.PROBLEM, as_of)

    def hints(self) -> list[str]:
        return self._at(Level.HINT)

    def facts(self, as_of: date | None = None) -> list[str]:
        return self._at(Level.FACT, as_of)

    def _at(self, level: Level, as_of: date | None = None) -> list[str]:
        return [said(finding) for finding in self.check(as_of).findings if finding.level is level]


def said(finding: Finding) -> str:
    """A finding in one line, its place without the folders of the test."""
    place = finding.place.rsplit("/", 1)[-1]
    return f"{place}: {finding.text}" + (f" → {finding.remedy}" if finding.remedy else "")


@pytest.fixture
def project(tiny_logs: Path, tmp_path: Path) -> Project:
    made = Project(tmp_path / "mine")
    shutil.copytree(tiny_logs, made.logs)
    (made.root / "sql").mkdir()
    for table in ("requests", "ads", "candidates"):
        made.statement(table, "select *\nfrom read_parquet($paths, hive_partitioning = false)\n")
    made.say()
    return made
