"""The section of a run's page: how far the window's scores were moved."""

from pathlib import Path

from mtmd.extract.shards import open_shard
from mtmd.extras.forecast.targets import Moved
from mtmd.report.document import Section
from mtmd.report.tables import Column, Table, columns_of
from mtmd.report.view import RunRecords


def sections(found: RunRecords) -> tuple[Section, ...]:
    """By how much each domain's scores were moved; nothing where the preset moves none."""
    plan, newest = found.run.plan, found.run.days.window[-1]
    domains, step = plan.preset.domains, plan.preset.training.forecast_step
    if not step:
        return ()
    shift = Moved([open_shard(Path(newest.path))], domains, step).shift.tolist()
    places = [domains.task_names.index(name) for name in domains.score_tasks]
    table = Table(
        title=f"Log-odds added to the window's scores, from the actions of {newest.day}",
        columns=(Column(name="domain", kind="text"), *columns_of("number", domains.score_tasks)),
        rows=tuple(
            (str(domain), *(moved[place] for place in places))
            for domain, moved in zip(domains.domains, shift, strict=True)
        ),
    )
    how = "Of a task with a parent, the score given that parent moves. Labels that are not final make shifts too low."
    return (Section("moved-scores", "Scores moved to the next day", 79, [table], how=how),)
