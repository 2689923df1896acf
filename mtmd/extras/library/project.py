"""A project in Python: what the commands do, for notebooks and programs (docs/library.md).

What looks at a line or serves its champion needs no torch; each method imports what it needs.
"""

import os
from collections.abc import Sequence
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from pydantic import ValidationError

from mtmd import extension
from mtmd.config import Preset, load_preset
from mtmd.config.base import wrong_values
from mtmd.config.preset_files import OF_PROJECT
from mtmd.errors import ConfigError, RegistryError
from mtmd.evaluate.report import SliceMetrics
from mtmd.extras.library.frames import ServedModel
from mtmd.promote.findings import RunSummary
from mtmd.registry.records import SUMMARY, run_paths
from mtmd.registry.registry import Registry
from mtmd.report.line import RunRecord, read_line
from mtmd.run import RunPlan, require_days
from mtmd.store.files import digest
from mtmd.store.stores import ARTIFACTS, in_bucket
from mtmd.store.workspace import Workspace, read_record

if TYPE_CHECKING:
    from mtmd.model.ranker import RankingModel
    from mtmd.train.stage import Trained

Day = date | str  # a text is YYYY-MM-DD; of a time, such as pandas' Timestamp, its day
_SHOWN = 5  # days in an error


class Project:
    """One line of models: a preset, its logs and its artifacts. `preset` has all settings."""

    def __init__(
        self,
        folder: str | Path = ".",
        *,
        preset: str | Path | None = None,
        logs: str | Path | None = None,
        artifacts: str | Path | None = None,
    ) -> None:
        """As `mtmd.open`."""
        place = Path(folder).expanduser().absolute()
        self._named = str(preset or place / OF_PROJECT)
        if preset is None and not Path(self._named).is_file():
            raise ConfigError(
                f"{place} has no {OF_PROJECT}; open a folder that `mtmd init` made, or name a preset: "
                'mtmd.open(".", preset="demo")'
            )
        self.preset = load_preset(self._named)
        own = self.preset.logs
        self.logs = str(logs or (own if in_bucket(own) else place / Path(own).expanduser()))
        self.artifacts = str(artifacts or ("artifacts" if os.environ.get(ARTIFACTS) else place / "artifacts"))

    def check(self, day: Day | None = None) -> pa.Table:
        """What is wrong with the preset and a day of logs, as `mtmd check` says it; default: the newest day.

        A row is a finding: `level` (problem, hint or fact), `place`, `text` and `remedy`. A problem would stop a run.
        """
        check = extension.required("check", "check", "Project.check")
        found = check.check_project(self._named, logs=self.logs, as_of=None if day is None else _day(day))
        return pa.Table.from_pylist([finding.model_dump(mode="json") for finding in found.findings])

    def run(self, day: Day, *, promote: bool = True, ablations: bool = True) -> RunSummary:
        """Run the daily job for a day, which is held out, as `mtmd run` does; what is made already is taken.

        Without `promote` the champion stays. Without `ablations` none are trained, also where they are due. Raises
        LogsError for days that are missing, and what a stage that failed raises.
        """
        # By name alone, as `mtmd run` does: Prefect is imported here.
        command, daily = import_module("mtmd.flows.command"), import_module("mtmd.flows.daily_retrain")
        given = {"as_of": _day(day), "preset": self._named, "logs": self.logs, "artifacts": self.artifacts}
        switches = {"promote": promote, "ablations": ablations}
        summary: RunSummary = command.run_here(daily.daily_retrain, given | {"window_days": None} | switches)
        return summary

    def runs(self) -> pa.Table:
        """Every run that ended, the newest day first: `as_of`, `verdict`, `model_id`, `logmae`, `reason` and more."""
        line = read_line(self._workspace.root)
        columns = {name: [getattr(run, name) for run in line.runs] for name in RunRecord.model_fields}
        return pa.table(columns | {"verdict": [line.verdict(run) for run in line.runs]})

    def metrics(self, day: Day) -> pa.Table:
        """Metrics of the day's latest decision: a row for each predictor, slice and rank bucket.

        `bucket` is null for all rows of a slice. `surface` and `product` are "all" for a task over its slices.
        `error.<metric>` are standard errors. Raises RegistryError where no run of the day has decided.
        """
        workspace, wanted = self._workspace, _day(day)
        for path in run_paths(workspace, wanted):
            if (summary := read_record(path / SUMMARY, RunSummary)) is not None:
                found = summary.report.metrics
                errors = dict.fromkeys(name for one in found for name in one.errors)
                names = [name for name in SliceMetrics.model_fields if name != "errors"]
                columns = {name: [getattr(one, name) for one in found] for name in names}
                return pa.table(
                    columns | {f"error.{name}": [one.errors.get(name) for one in found] for name in errors}
                )
        days = sorted({path.name[:10] for path in run_paths(workspace)})[-_SHOWN:]
        raise RegistryError(
            f"no run of {wanted} has decided in {workspace.place}", f"run it, or choose one of {days}"
        )

    def champion(self) -> ServedModel:
        """The live model; raises RegistryError before the first promotion, BundleError where its files are damaged."""
        return self.model(Registry(self._workspace.root).require_champion().model_id)

    def model(self, model_id: str) -> ServedModel:
        """Any registered model; raises as `champion` does."""
        return ServedModel(self._workspace.root, model_id)

    def train(self, preset: Preset | str, days: Sequence[Day]) -> tuple["RankingModel", "Trained"]:
        """Train on these days, which are validated first; returns the torch model in evaluation mode, and its record.

        `preset` may be the project's own, `project.preset`, one with other settings, or a path or name of one. Nothing
        is registered or promoted. What the same inputs gave before is taken. Raises ConfigError for no day and for
        settings that are wrong, LogsError for days that are missing, ValidationError for a day that fails its suites.
        """
        from mtmd.extract.shards import ShardRef
        from mtmd.extract.stage import extract
        from mtmd.train.stage import load_trained, require_machine, train
        from mtmd.validate.results import DayProfile
        from mtmd.validate.runner import require
        from mtmd.validate.stage import day_sources, validated

        plan = self._plan(days, _checked(preset) if isinstance(preset, Preset) else load_preset(str(preset)))
        require_machine(plan.preset)
        shards: list[ShardRef] = []
        trailing: list[DayProfile] = []
        for day in plan.days:
            sources = day_sources(plan, day)
            validation, _ = validated(plan, day, sources, trailing)
            require(validation)
            trailing.append(validation.profile)
            shards.append(extract(plan, day, digest(sources)))
        trained = train(plan, plan.candidate, shards)
        return load_trained(plan, trained), trained

    @property
    def _workspace(self) -> Workspace:
        """With the records of a line in a bucket as they are now."""
        workspace = Workspace.of(self.artifacts, self.preset)
        Registry(workspace.root).refresh()
        return workspace

    def _plan(self, days: Sequence[Day], preset: Preset) -> RunPlan:
        """Of these days alone; the day after them, which no run has here, is `as_of`."""
        wanted = () if isinstance(days, str | date | None) else tuple(sorted({_day(day) for day in days}))
        if not wanted:
            raise ConfigError(f"days ({days!r}) must be a list of at least one day, such as ['2026-01-25']")
        after, places = wanted[-1] + timedelta(days=1), {"logs": self.logs, "artifacts": self.artifacts}
        plan = RunPlan(as_of=after, days=wanted, preset=preset, **places)
        require_days(f"logs {self.logs!r}", wanted, plan.source.available_days())
        return plan


def _checked(preset: Preset) -> Preset:
    """As if read from a file: pydantic checks no copy, and keeps what was computed of the settings before."""
    values = preset.model_dump()
    try:
        return Preset.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"the preset is wrong:\n{wrong_values(error, values, Preset)}") from error


def _day(day: Day) -> date:
    """Raises ConfigError for a text that is no day."""
    try:
        return date.fromisoformat(day if isinstance(day, str) else str(day)[:10])
    except ValueError as error:
        raise ConfigError(f"day {day!r} must be YYYY-MM-DD, such as '2026-01-25'") from error
