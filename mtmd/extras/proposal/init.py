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
from mtmd.extras.proposal.keys import id_type
from mtmd.extras.proposal.looks import DAYS_LOOKED_AT, Look, LookedAt, look_at, texts_over_days
from mtmd.extras.proposal.names import toml_text
from mtmd.extras.proposal.places import TablePlace, find_places
from mtmd.extras.proposal.roles import Roles, find_roles
from mtmd.extras.proposal.tasks import ProposedTasks, find_tasks
from mtmd.logs.contract import TABLES
from mtmd.logs.locking import linked
from mtmd.logs.sql import quoted
from mtmd.store.objects import in_bucket
from mtmd.validate.gx_duckdb import Database

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


def _propose(connection: Database, folder: Path, places: dict[str, TablePlace], days: list[date]) -> Proposal:
    looked, distinct = _look_at_tables(connection, places, days)
    requests, ads, candidates = (looked[table] for table in TABLES)
    roles = find_roles(connection, requests, ads, candidates, days)
    found = find_tasks(connection, roles, ads, candidates)
    pairs, of_no_use = write.candidate_columns(roles, found.tasks), _of_no_use(roles, found, candidates)
    of_requests, of_ads = _features_of_sides(connection, roles, looked, distinct, len(days[-DAYS_LOOKED_AT:]))
    return Proposal(
        folder=folder.absolute(),
        sections={
            "window": write.window_toml(len(days)),
            "ids": write.ids_toml(roles),
            "sources": write.sources_toml(places),
            "domains": write.domains_toml(roles, found.tasks, found.without_label),
            "features": _features(roles, of_requests, of_ads, distinct),
            "tasks": write.tasks_toml(found.tasks),
            "data": "ads_may_repeat = true                # the ads of two days are the same\n"
            if _repeat(connection, places["ads"], days)
            else "",
        },
        statements={
            "requests": write.statement(
                places["requests"], requests, write.request_columns(roles), of_requests
            ),
            "ads": write.statement(places["ads"], ads, write.ad_columns(roles), of_ads),
            "candidates": write.statement(places["candidates"], candidates, pairs, left_out=of_no_use),
        },
        understood=(
            *_several_places(places),
            *_understood(roles, found, of_requests, of_ads, of_no_use, len(days)),
        ),
    )


def _look_at_tables(
    connection: Database, places: Mapping[str, TablePlace], days: Sequence[date]
) -> tuple[dict[str, LookedAt], dict[str, dict[str, int]]]:
    """The tables of the newest day; and of requests and ads the numbers of different values over several days."""
    looked: dict[str, LookedAt] = {}
    distinct: dict[str, dict[str, int]] = {}
    for table in TABLES:
        newest = places[table].days[days[-1]]
        files = [file for day in days[-DAYS_LOOKED_AT:] for file in places[table].days[day]]
        # The text of a CSV file may have digits alone on one day.
        looked[table] = look_at(connection, table, newest, texts_over_days(connection, newest, files))
        if table != "candidates":
            over_days = look_at(connection, f"{table}_of_days", files)
            looked[table] = looked[table].with_values_of(over_days)
            distinct[table] = _distinct(connection, looked[table], over_days)
    return looked, distinct


def _distinct(connection: Database, table: LookedAt, everything: LookedAt) -> dict[str, int]:
    """About how many different values, or elements of lists, the columns of the newest day have over several days."""
    counts = {name: look.distinct for name, look in everything.columns.items()}
    for look in table.columns.values():
        if look.element is not None:
            (found,) = connection.rows(
                f"select approx_count_distinct(element) as n from "
                f"(select unnest({quoted(look.name)}) as element from {everything.view})",
            )
            counts[look.name] = found["n"]
    return {name: counts.get(name, look.distinct) for name, look in table.columns.items()}


def _repeat(connection: Database, place: TablePlace, days: Sequence[date]) -> bool:
    """Whether the ads of the newest two days are the same."""
    if len(days) < 2:
        return False
    digests = []
    for n, day in enumerate(days[-2:]):
        view = look_at(connection, f"ads_{n}", place.days[day]).view
        digests.append(connection.rows(f"select count(*) as n, bit_xor(hash(t)) as h from {view} as t"))
    return digests[0] == digests[1]


def _features_of_sides(
    connection: Database,
    roles: Roles,
    looked: Mapping[str, LookedAt],
    distinct: Mapping[str, Mapping[str, int]],
    days: int,
) -> tuple[ProposedFeatures, ProposedFeatures]:
    """Features of requests, and of ads; `days` is of how many days there are the numbers of different values."""
    requests, ads = looked["requests"], looked["ads"]
    taken = roles.taken
    return (
        find_features(
            connection, "query", requests, taken["requests"], roles.surface, distinct["requests"], roles.other_times,
            days=days,
        ),
        find_features(connection, "item", ads, taken["ads"], roles.product, distinct["ads"], days=days),
    )  # fmt: skip


def _features(
    roles: Roles, requests: ProposedFeatures, ads: ProposedFeatures, distinct: Mapping[str, Mapping[str, int]]
) -> str:
    user, ad = roles.user, roles.ad.own
    of_ad = id_feature("ad_id", "item", roles.ad.kind, distinct["ads"][ad.name], ads.features)
    proposed = [*requests.features, of_ad, *ads.features]
    if user is not None:
        users = distinct["requests"][user.name]
        proposed.insert(0, id_feature("user_id", "query", id_type(user), users, requests.features))
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


def _understood(
    roles: Roles,
    found: ProposedTasks,
    requests: ProposedFeatures,
    ads: ProposedFeatures,
    of_no_use: Mapping[str, str],
    days: int,
) -> list[str]:
    def of(look: Look | None) -> str:
        return "no column" if look is None else look.name

    lines = [
        f"{days} days that all three tables have",
        f"request_id is {roles.request.own.name}, ad_id is {roles.ad.own.name}, user_id is {of(roles.user)}, "
        f"ts is {roles.time.chosen.look.name}, bid is {of(roles.bid)}",
        *roles.time.understood,
        f"surface is {of(roles.surface.look)}, product is {of(roles.product.look)}, "
        f"what was shown is {of(roles.impressed)}",
        *([] if roles.explored is None else [f"what was drawn at random is {roles.explored.name}"]),
        *(
            f"task {task.name}: {task.label} happened"
            + (f", only after {task.parent}" if task.parent else "")
            + (
                " on no row of the day looked at, so whether it has a parent can't be told"
                if task.never
                else ""
            )
            for task in found.tasks
        ),
        f"{len(requests.features)} features of requests and {len(ads.features)} of ads, beside the ids",
    ]
    left_out = {**requests.left_out, **ads.left_out, **of_no_use}
    return lines + [f"left out: {name} ({why})" for name, why in left_out.items()]
