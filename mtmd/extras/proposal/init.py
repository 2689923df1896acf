"""A project for logs that are there: every file of it, proposed by looking at them. Nothing is written here."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from mtmd.errors import ConfigError, LogsError
from mtmd.extract.database import reading
from mtmd.extras.proposal import write
from mtmd.extras.proposal.features import ProposedFeatures, find_features, id_feature
from mtmd.extras.proposal.looks import Look, LookedAt, look_at
from mtmd.extras.proposal.names import toml_text
from mtmd.extras.proposal.places import TablePlace, find_places
from mtmd.extras.proposal.roles import Roles, find_roles, id_type
from mtmd.extras.proposal.tasks import ProposedTask, ProposedTasks, find_tasks
from mtmd.logs.contract import TABLES
from mtmd.logs.locking import linked
from mtmd.logs.sql import sql_name
from mtmd.store.files import in_bucket
from mtmd.validate.gx_duckdb import Database

DAYS_LOOKED_AT = 8  # on the last one a weekday comes again
_HEADING = re.compile(r"(?m)^(# ---- .*\n)")


@dataclass(frozen=True)
class Proposal:
    """The preset's sections and the statements, as texts; and in a line each what was understood."""

    folder: Path
    sections: Mapping[str, str]
    statements: Mapping[str, str]
    understood: Sequence[str]

    def in_preset(self, template: str) -> str:
        """The template of a preset with these sections in the place of its own."""
        head, *parts = re.split(_HEADING, template)
        bodies = dict(zip(parts[::2], parts[1::2], strict=True))
        logs = f"logs = {toml_text(str(self.folder))}"
        head = re.sub(r"(?m)^logs = .*$", lambda _: logs, head)
        head = re.sub(r"(?m)^window_days = .*\n", lambda _: f"{self.sections['window']}\n", head)
        above = "\n\n".join(filter(None, (head.strip(), self.sections["ids"], self.sections["sources"])))
        text = above + "\n\n"
        for heading, body in bodies.items():
            if "Ids" not in heading or not self.sections["ids"]:  # its example would be a second [ids]
                text += heading + _body(heading, body, self.sections)
        return text


def _body(heading: str, body: str, sections: Mapping[str, str]) -> str:
    for word, section in (("scored", "domains"), ("read", "features"), ("trained", "tasks")):
        if word in heading:
            return f"{sections[section]}\n\n"
    return body.replace("[data]\n", f"[data]\n{sections['data']}", 1)


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
            return _propose(Database(url="", connection=connection), folder, places, common)
        except duckdb.Error as error:
            raise LogsError(
                f"{folder}, {common[-1]}: {str(error).splitlines()[0]}; correct the files"
            ) from error


def _propose(database: Database, folder: Path, places: dict[str, TablePlace], days: list[date]) -> Proposal:
    newest, last = days[-1], days[-DAYS_LOOKED_AT:]
    looked = {
        table: look_at(
            database, table, place.days[newest],
            place.days[newest] if table == "candidates" else [file for day in last for file in place.days[day]],
        )
        for table, place in places.items()
    }  # fmt: skip
    requests, ads, candidates = (looked[table] for table in TABLES)
    roles = find_roles(database, requests, ads, candidates, days)
    found = find_tasks(database, roles, ads, candidates)
    of_requests = find_features(database, "query", requests, roles, len(last))
    of_ads = find_features(database, "item", ads, roles, len(last))
    of_no_use = _of_no_use(roles, found, candidates)
    repeat = "ads_may_repeat = true                # the ads of two days are the same\n"
    sections = {
        "window": write.window_toml(len(days)),
        "ids": write.ids_toml(roles),
        "sources": write.sources_toml(places),
        "domains": write.domains_toml(roles, found.tasks, found.without_label),
        "features": _features(roles, of_requests, of_ads),
        "tasks": write.tasks_toml(found.tasks),
        "data": repeat if _repeat(database, places["ads"], days) else "",
    }
    statements = {
        "requests": write.statement(places["requests"], requests, write.request_columns(roles), of_requests),
        "ads": write.statement(places["ads"], ads, write.ad_columns(roles), of_ads),
        "candidates": write.statement(
            places["candidates"], candidates, write.candidate_columns(roles, found.tasks), left_out=of_no_use
        ),
    }
    left_out = {**of_requests.left_out, **of_ads.left_out, **of_no_use}
    understood = (
        *_several_places(places),
        f"{len(days)} days that all three tables have",
        *_of_roles(roles),
        *map(_of_task, found.tasks),
        f"{len(of_requests.features)} features of requests and {len(of_ads.features)} of ads, beside the ids",
        *(f"left out: {name} ({why})" for name, why in left_out.items()),
    )
    return Proposal(folder.absolute(), sections, statements, understood)


def _repeat(database: Database, place: TablePlace, days: Sequence[date]) -> bool:
    """Whether the ads of the newest two days are the same."""
    digests = []
    for n, day in enumerate(days[-2:]):
        view = look_at(database, f"ads_{n}", place.days[day], place.days[day]).view
        digests.append(database.rows(f"select count(*) as n, bit_xor(hash(t)) as h from {view} as t"))
    return len(digests) == 2 and digests[0] == digests[1]


def _features(roles: Roles, requests: ProposedFeatures, ads: ProposedFeatures) -> str:
    of_ad = id_feature("ad_id", "item", roles.ad.kind, roles.ad.own, ads.features)
    proposed = [*requests.features, of_ad, *ads.features]
    if (user := roles.user) is not None:
        proposed.insert(0, id_feature("user_id", "query", id_type(user), user, requests.features))
    return "\n\n".join(map(write.feature_toml, proposed))


def _of_no_use(roles: Roles, found: ProposedTasks, candidates: LookedAt) -> dict[str, str]:
    """Columns of candidates that play no part: a task that was not understood is among them."""
    used = roles.taken["candidates"].union(*({task.name, task.label} for task in found.tasks))
    return {
        name: "a score of which no column is the action"
        if name in found.without_label
        else f"{look.type} of candidates: no score, no action of a score"
        for name, look in candidates.columns.items()
        if name not in used
    }


def _several_places(places: Mapping[str, TablePlace]) -> list[str]:
    """Partitions may be what nobody wants in one model, such as env=prod and env=test."""
    return [
        f"{table} are read from {1 + len(place.further)} places: {', '.join((place.template, *place.further))}"
        for table, place in places.items()
        if place.further
    ]


def _of_roles(roles: Roles) -> list[str]:
    def of(look: Look | None) -> str:
        return "no column" if look is None else look.name

    time, lines = roles.time, []
    if time.sql != sql_name(time.look.name):
        lines.append(f"{time.look.name} is {time.look.type}: read as {time.sql}")
    if time.others:
        lines.append(f"ts is {time.look.name}, rather than {', '.join(time.others)}")
    if roles.explored is not None:
        lines.append(f"what was drawn at random is {roles.explored.name}")
    return [
        f"request_id is {roles.request.own.name}, ad_id is {roles.ad.own.name}, user_id is {of(roles.user)}, "
        f"ts is {time.look.name}, bid is {of(roles.bid)}",
        f"surface is {of(roles.surface.look)}, product is {of(roles.product.look)}, "
        f"what was shown is {of(roles.impressed)}",
        *lines,
    ]


def _of_task(task: ProposedTask) -> str:
    after = f", only after {task.parent}" if task.parent else ""
    never = " on no row of the day looked at, so whether it has a parent can't be told" if task.never else ""
    return f"task {task.name}: {task.label} happened{after}{never}"
