"""The section of a run's page: the candidate on rows of new ads and of new users."""

from collections.abc import Sequence
from pathlib import Path

from mtmd.extras.groups.evaluation import GROUPS, GroupMetrics
from mtmd.report.document import Fold, Section
from mtmd.report.tables import Column, Table, columns_of
from mtmd.report.view import RunRecords
from mtmd.store.files import read_json

_ERRORS = {"logmae": "LogMAE", "log_loss": "log loss"}


def sections(found: RunRecords) -> tuple[Section, ...]:
    """The groups of the run's held-out day; nothing where its evaluation has none."""
    path = Path(found.run.evaluated.path) / GROUPS
    groups = [GroupMetrics.model_validate(one) for one in read_json(path)] if path.is_file() else []
    if not groups:
        return ()
    table = groups_table(groups, found.summary.report.candidate)
    return (
        Section(
            "groups", "New ads and new users", 35, [Fold("Beside the other rows, task by task", [table])]
        ),
    )


def groups_table(groups: Sequence[GroupMetrics], name: str) -> Table:
    """A predictor on each group of rows."""
    errors = {error: label for error, label in _ERRORS.items() if any(getattr(one, error) for one in groups)}
    return Table(
        title=f"{name} on groups of rows, and on the task's other rows",
        columns=(
            *columns_of("text", ("task", "candidates")),
            Column(name="rows", kind="count"),
            *columns_of("number", (*errors.values(), "calibration")),
        ),
        rows=tuple(
            (
                one.task,
                one.group,
                one.rows,
                *(getattr(one, error).get(name) for error in errors),
                one.calibration[name],
            )
            for one in groups
        ),
        key_columns=2,
    )
