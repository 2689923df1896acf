"""Everything that is wrong with a preset at once, and a preset to go on with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtmd.config import Preset, preset_names
from mtmd.config.base import shortened
from mtmd.config.preset_files import Said, laid_over, preset_path, read_said, read_toml, values_of
from mtmd.errors import ConfigError
from mtmd.project.findings import Finding, Part, error, nearest
from mtmd.project.preset_problems import Path_, Problem, known_keys, subject, tables_at, validated
from mtmd.project.preset_repair import without

_MOST_ROUNDS = 50  # each takes away at least one problem


@dataclass(frozen=True)
class PresetCheck:
    """What is wrong with a preset, and the preset as it may be meant: None where that can't be told.

    `names` are those of all features, tasks and labels that the file declares, also of those that had to be left out.
    """

    findings: tuple[Finding, ...]
    preset: Preset | None
    names: frozenset[str] = frozenset()


def check_preset(name_or_path: str) -> PresetCheck:
    """Every problem of a preset's file, its base and its values. Raises ConfigError where there is no such file."""
    path = preset_path(name_or_path)
    said, findings = _read(path)
    if said is None:
        return PresetCheck(findings, None)
    values = values_of(said)
    preset, found = _all_problems(values)
    listed = [_finding(problem, where, said, path) for problem, where in found]
    return PresetCheck((*findings, *listed), preset, _names(values))


def _all_problems(values: dict[str, Any]) -> tuple[Preset | None, list[tuple[Problem, dict[str, Any]]]]:
    """Round by round: what is wrong, each with the values then, and the preset once nothing is."""
    found: list[tuple[Problem, dict[str, Any]]] = []
    seen: set[tuple[str, str, str]] = set()
    for _ in range(_MOST_ROUNDS):
        preset, problems = validated(values)
        if not problems:
            return preset, found
        problems = [problem for problem in problems if not _meant_otherwise(problem, problems)]
        repaired = values
        for problem in problems:
            about = (subject(problem.path, values)[0], problem.key, problem.message)
            if about not in seen:
                found.append((problem, values))
            seen.add(about)
        for problem in reversed(problems):  # the last element of a list first: the others keep their places
            changed = without(problem, repaired)
            repaired = repaired if changed is None else changed
        if repaired == values:
            break
        values = repaired
    return None, found


def _read(path: Path) -> tuple[dict[str, Any] | None, tuple[Finding, ...]]:
    """The preset's tables, or None; over the base that is most likely meant where the base can't be."""
    try:
        return read_said(path), ()
    except ConfigError as wrong:
        text, _, remedy = str(wrong).removeprefix(f"preset {path} ").rpartition("; ")
    finding = error(Part.PRESET, str(path), text or remedy, remedy if text else "correct the file")
    try:
        values = {"name": "nameless"} | read_toml(path)
        base = str(values.pop("base", ""))
        meant = base if base.endswith(".toml") else nearest(base, preset_names())
        said = laid_over(read_said(preset_path(meant or base, path.parent)), values, path)
    except ConfigError:
        return None, (finding,)
    if meant != base:
        finding = finding.model_copy(update={"remedy": f"write base = {meant!r}, if that is meant"})
    return said, (finding,)


def _meant_otherwise(problem: Problem, problems: list[Problem]) -> bool:
    """Whether a key is missing because it is written otherwise: the unknown key beside it is reported."""
    return problem.kind == "missing" and any(
        other.kind == "extra_forbidden"
        and other.path[:-1] == problem.path[:-1]
        and nearest(other.key, known_keys(other.path[:-1])) == problem.key
        for other in problems
    )


def _finding(problem: Problem, values: dict[str, Any], said: dict[str, Any], path: Path) -> Finding:
    about, rest = subject(problem.path, values)
    key = ".".join(map(str, rest))
    where = ", ".join(part for part in (about, key) if part)
    place = str(_file_of(problem.path, said, path))
    if problem.kind == "extra_forbidden":
        return error(Part.PRESET, place, f"{where}: no such key", _instead(problem))
    if problem.kind == "missing":
        help_ = known_keys(problem.path[:-1]).get(problem.key, "")
        return error(Part.PRESET, place, f"{where}: missing", f"add {problem.key}{_as_help(help_)}")
    if problem.kind == "value_error":
        text = problem.message if not about or about in problem.message else f"{about}: {problem.message}"
        text, _, remedy = text.partition("; ")
        return error(Part.PRESET, place, text, remedy or "correct it in the preset")
    help_ = known_keys(problem.path[:-1]).get(problem.key, "")
    named = problem.path and isinstance(problem.path[-1], str)
    remedy = f"write another {problem.key}{_as_help(help_)}" if named else "correct it in the preset"
    return error(Part.PRESET, place, f"{where} ({shortened(problem.value)}) {problem.message}", remedy)


def _instead(problem: Problem) -> str:
    known = known_keys(problem.path[:-1])
    near = nearest(problem.key, known)
    return f"write {near}, if that is meant" if near else f"remove it, or write one of {', '.join(known)}"


def _as_help(description: str) -> str:
    return f": {description}" if description else ""


def _file_of(path: Path_, said: dict[str, Any], file: Path) -> Path:
    """The file that says the value; the preset's own where none does."""
    entry: Any = said
    for part in path:
        entry = entry.get(part) if isinstance(entry, dict) else entry
    return entry.file if isinstance(entry, Said) else file


def _names(values: dict[str, Any]) -> frozenset[str]:
    entries = [*tables_at(values, ("features",)), *tables_at(values, ("domains", "tasks"))]
    return frozenset(
        entry[key] for _, entry in entries for key in ("name", "label") if isinstance(entry.get(key), str)
    )
