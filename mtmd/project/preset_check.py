"""Everything that is wrong with a preset's file at once."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mtmd.config import Preset
from mtmd.config.preset_files import Said, preset_path, read_said, values_of
from mtmd.config.problems import Location, problems
from mtmd.errors import ConfigError
from mtmd.expectations import day_expectations
from mtmd.logs.contract import table_columns
from mtmd.project.findings import Finding, Part, error, stopped_by


def check_preset(name_or_path: str) -> tuple[Preset | None, list[Finding]]:
    """The preset, and what is wrong with its file, its base and its values; None where a run could not read it.

    What sections ask of each other shows once each is right. Raises ConfigError where there is no such file.
    """
    path = preset_path(name_or_path)
    try:
        said = read_said(path)
    except ConfigError as wrong:
        return None, [stopped_by(Part.PRESET, str(path), wrong)]
    values = values_of(said)
    try:
        preset = Preset.model_validate(values)
    except ValidationError as wrong:
        return None, [
            error(Part.PRESET, str(_file_of(problem.path, said, path)), problem.text, problem.remedy)
            for problem in problems(wrong, values, Preset)
        ]
    try:
        table_columns(preset.declarations)
    except ConfigError as wrong:
        return None, [stopped_by(Part.PRESET, str(path), wrong)]
    try:
        day_expectations(preset)
    except ConfigError as wrong:  # without the team's own, all else can be checked
        finding = stopped_by(Part.PRESET, str(preset.expectations), wrong)
        return preset.model_copy(update={"expectations": None}), [finding]
    return preset, []


def _file_of(path: Location, said: dict[str, Any], file: Path) -> Path:
    """The file that says the value; the preset's own where none does."""
    entry: Any = said
    for part in path:
        entry = entry.get(part) if isinstance(entry, dict) else entry
    return entry.file if isinstance(entry, Said) else file
