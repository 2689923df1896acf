"""A project for logs that are there: every file of it, proposed by looking at them. Nothing is written here."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from mtmd.errors import ConfigError, LogsError
from mtmd.extract.database import Database, reading
from mtmd.extras.proposal import write
from mtmd.extras.proposal.columns import look_at, toml_text
from mtmd.extras.proposal.features import find_features, id_feature, with_a_shallow_one
from mtmd.extras.proposal.places import TablePlace, find_places
from mtmd.extras.proposal.roles import find_roles, find_tasks
from mtmd.logs.contract import TABLES
from mtmd.logs.sql import linked
from mtmd.store.stores import in_bucket

DAYS_LOOKED_AT = 8  # on the last one a weekday comes again


@dataclass(frozen=True)
class Proposal:
    """The preset's window, its sections and the statements, as texts; and in a line each what was understood."""

    folder: Path
    newest: date
    window: str
    sections: Sequence[str]
    statements: Mapping[str, str]
    understood: Sequence[str]

    def rewritten(self, path: str, text: str) -> str:
        """A file of a new project with what is proposed in the place of its text."""
        if path.startswith("sql/"):
            return self.statements[path.removeprefix("sql/source_").removesuffix(".sql")]
        if path != "preset.toml":
            text = text.replace("2026-01-25", str(self.newest)) if path == "README.md" else text
            return re.sub(r"(?s)If the project was made without.*?```sh.*?```\n\n", "", text)
        head = text.partition("# ----")[0].strip()
        logs = f"logs = {toml_text(str(self.folder))}"
        head = re.sub(r"(?m)^logs = .*$", lambda _: logs, head)
        head = re.sub(r"(?m)^window_days = .*$", lambda _: self.window, head)
        return "\n\n".join((head, *filter(None, self.sections))) + "\n"


def propose(folder: Path) -> Proposal:
    """Look at the newest day that all tables have, and at the days before it.

    Raises LogsError naming the table, and what its columns lack, where the logs can't be what a ranker learns from, and
    ConfigError for a bucket.
    """
    if in_bucket(folder):
        raise ConfigError(
            f"{folder} is in a bucket, and a project is proposed by looking at a folder; copy some days to one, and "
            "write the bucket's URL into preset.toml as `logs` afterwards"
        )
    if not folder.is_dir():
        raise LogsError(f"{folder} is no folder; name the one with requests, ads and candidates")
    places = find_places(folder)
    common = sorted(set.intersection(*(set(place.days) for place in places.values())))
    if not common:
        raise LogsError(f"{folder} has no day of which there are requests, ads and candidates; deliver one")
    files = (file for place in places.values() for of_day in place.days.values() for file in of_day)
    with reading([folder, *linked(files)]) as connection:
        try:
            return _propose(Database(connection), folder, places, common)
        except duckdb.Error as error:
            first = str(error).splitlines()[0]
            raise LogsError(f"{folder}, {common[-1]}: {first}; correct the files") from error


def _propose(database: Database, folder: Path, places: dict[str, TablePlace], days: list[date]) -> Proposal:
    looked = {}
    for table, place in places.items():
        last = days[-1:] if table == "candidates" else days[-DAYS_LOOKED_AT:]
        looked[table] = look_at(database, table, [file for day in last for file in place.days[day]])
    requests, ads, candidates = (looked[table] for table in TABLES)
    roles = find_roles(database, requests, ads, candidates)
    tasks = find_tasks(database, roles, ads, candidates)
    of_requests = find_features("query", requests, roles.taken["requests"])
    of_ads = find_features("item", ads, roles.taken["ads"])
    ids = [id_feature("ad_id", "item", roles.ad.kind, roles.ad.own)]
    users = [id_feature("user_id", "query", user.id_type, user)] if (user := roles.user) else []
    query, item = (
        with_a_shallow_one([*users, *of_requests.features]),
        with_a_shallow_one([*ids, *of_ads.features]),
    )
    sections = (
        write.ids_toml(roles),
        write.sources_toml(places),
        write.domains_toml(roles, tasks),
        write.tasks_toml(tasks),
        *(feature.toml for feature in (*query, *item)),
    )
    statements = {
        "requests": write.statement("requests", write.request_columns(roles), of_requests),
        "ads": write.statement("ads", write.ad_columns(roles), of_ads),
        "candidates": write.statement("candidates", write.candidate_columns(roles, tasks)),
    }
    used = roles.taken["candidates"].union(*({task.score.name, task.label.name} for task in tasks))
    unread = {column.name: "no score, no action of a score" for column in candidates.beside(used)}
    parents = {task.score.name: f", only after {task.parent}" if task.parent else "" for task in tasks}
    understood = (
        f"{len(days)} days that all three tables have",
        *(f"task {one.score.name}: {one.label.name} happened{parents[one.score.name]}" for one in tasks),
        f"{len(of_requests.features)} features of requests and {len(of_ads.features)} of ads, beside the ids",
        *(
            f"left out: {name} ({why})"
            for name, why in (of_requests.left_out | of_ads.left_out | unread).items()
        ),
    )
    return Proposal(
        folder.absolute(), days[-1], write.window_toml(len(days)), sections, statements, understood
    )
