"""The table of a line's runs, for a terminal."""

from mtmd.report.past import RunLine
from mtmd.report.tables.evaluation import Column, Table

_REASON_WIDTH = 26


def runs_table(lines: tuple[RunLine, ...], line: str) -> Table:
    """For a terminal of 100 columns."""
    columns = (
        *(Column(name=name, kind="text") for name in ("as_of", "decided (UTC)", "verdict", "model")),
        Column(name="rows", kind="count"),
        Column(name="train s", kind="count"),
        Column(name="why", kind="text"),
    )
    rows = (
        (
            run.as_of.isoformat(),
            f"{run.at:%Y-%m-%d %H:%M}",
            run.verdict,
            run.model_id,
            run.rows,
            None if run.training_seconds is None else round(run.training_seconds),
            shortened(run.reason, _REASON_WIDTH),
        )
        for run in lines
    )
    return Table(title=f"the last {len(lines)} runs of {line}", columns=columns, rows=tuple(rows))


def shortened(text: str, width: int) -> str:
    """The beginning of a text that is too long for its column."""
    return text if len(text) <= width else f"{text[: width - 1]}…"
