"""Features: what the other columns of requests and ads are to a tower, and which are of no use to it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mtmd.logs.sql import quoted
from mtmd.project.day_features import enough_buckets
from mtmd.project.engine import Connection, rows
from mtmd.project.proposal.looks import Look, LookedAt
from mtmd.project.proposal.roles import tokens

_LEAST_BUCKETS = 64
_MOST_SHALLOW = 64  # values of a category that the small shallow experts can still tell apart
_MOST_CODES = 64  # different whole numbers that are taken for codes rather than for amounts
_LARGE = 100.0  # a number that is never negative and reaches this is read by its logarithm
_NAMES_SOMETHING = {
    "id",
    "code",
    "type",
    "hour",
    "weekday",
    "day",
    "category",
    "version",
    "zip",
    "region",
    "class",
}
_MOST_VALUES = 1000  # of a list that are read


@dataclass(frozen=True)
class ProposedFeature:
    """A column that a tower reads: the lines of its table in the preset, and the SQL that gives it its type."""

    name: str
    side: str
    settings: Mapping[str, str]  # TOML of each key behind name and side
    sql: str


@dataclass(frozen=True)
class ProposedFeatures:
    """Features, and the columns that no tower reads, each with the reason."""

    features: tuple[ProposedFeature, ...]
    left_out: Mapping[str, str]


def find_features(
    connection: Connection,
    side: str,
    table: LookedAt,
    taken: set[str],
    domain: Look | None,
    distinct: Mapping[str, int],
) -> ProposedFeatures:
    """What a tower can read of a table's columns beside those that are `taken`.

    `domain` is the column of the surface or product; `distinct` has the number of different values over several days.
    """
    features, left_out = [], {}
    absent = _absent(connection, table, domain, [name for name in table.columns if name not in taken])
    for look in table.columns.values():
        if look.name in taken:
            continue
        settings = _settings(look, distinct[look.name])
        if isinstance(settings, str):
            left_out[look.name] = settings
            continue
        if (lacking := absent.get(look.name)) and domain is not None:
            having = [value for value in domain.values if value not in lacking]
            settings["domains"] = _listed(having)
        features.append(ProposedFeature(column_name(look.name), side, settings, _sql(look, settings)))
    return ProposedFeatures(tuple(_with_a_shallow_one(features)), left_out)


def id_feature(name: str, side: str, kind: str, distinct: int) -> ProposedFeature:
    """An id as a category: the tower learns an embedding for each user or ad that it has seen often."""
    settings = {"kind": '"categorical"', "buckets": str(_buckets(distinct))}
    if kind != "VARCHAR":
        settings["type"] = f'"{kind}"'
    return ProposedFeature(name, side, settings, quoted(name))


def column_name(name: str) -> str:
    """The name as a preset can have it: lower-case letters, digits and underscores, a letter first."""
    plain = "_".join(tokens(name)) or "column"
    return plain if plain[0].isalpha() else f"c_{plain}"


def _settings(look: Look, distinct: int) -> dict[str, str] | str:
    """The feature's keys, or why it is none."""
    if (useless := _useless(look)) is not None:
        return useless
    if look.element is not None:
        return _of_list(look, distinct)
    if look.is_fraction or (look.is_whole and not _is_code(look)):
        amount = look.least is not None and look.least >= 0 and (look.most or 0) > _LARGE
        return {"kind": '"continuous"'} | ({"log1p": "true"} if amount else {})
    if not (look.is_text or look.is_whole or look.type in {"BOOLEAN", "UUID"}):
        return f"{look.type}, of which no feature is made"
    settings = {"kind": '"categorical"', "buckets": str(_buckets(distinct))}
    if look.is_whole or look.type == "BOOLEAN":
        settings["type"] = '"BIGINT"' if look.is_whole else '"INTEGER"'
    return settings | ({"shallow": "true"} if distinct <= _MOST_SHALLOW else {})


def _useless(look: Look) -> str | None:
    if look.missing == look.rows:
        return "null in every row"
    if look.distinct <= 1 and look.element is None:
        return "the same value in every row"
    if look.is_unique and look.rows > _MOST_CODES and (look.is_text or look.type == "UUID"):
        return "another value in every row"
    return None


def _of_list(look: Look, distinct: int) -> dict[str, str] | str:
    element = look.element or ""
    if element in {"FLOAT", "DOUBLE"}:
        if look.lengths is None or look.lengths[0] != look.lengths[1]:
            return f"{look.type} of different lengths, of which no feature is made"
        return {"kind": '"embedding"', "width": str(look.lengths[1])}
    if element in {"VARCHAR", "INTEGER", "BIGINT", "SMALLINT", "TINYINT"}:
        longest = min(max((look.lengths or (0, 1))[1], 1), _MOST_VALUES)
        settings = {
            "kind": '"categorical"', "multi": "true", "max_length": str(longest), "buckets": str(_buckets(distinct)),
        }  # fmt: skip
        if element != "VARCHAR":
            settings["type"] = '"BIGINT"'
        return settings
    return f"{look.type}, of which no feature is made"


def _is_code(look: Look) -> bool:
    return bool(_NAMES_SOMETHING & set(tokens(look.name))) or (
        look.distinct <= _MOST_CODES and look.rows > _MOST_CODES
    )


def _buckets(distinct: int) -> int:
    return max(_LEAST_BUCKETS, enough_buckets(max(distinct, 2)))


def _sql(look: Look, settings: Mapping[str, str]) -> str:
    column, name = quoted(look.name), column_name(look.name)
    plain = name if name == look.name else f"{column} as {name}"
    wanted = settings.get("type", "").strip('"')
    if look.type in {"BOOLEAN", "UUID"}:
        return f"cast({column} as {wanted or 'varchar'}) as {name}".replace("INTEGER", "integer")
    if look.element and wanted and look.element != wanted:
        return f"cast({column} as {wanted.lower()}[]) as {name}"
    if settings["kind"] == '"continuous"' and look.type in {"UBIGINT", "HUGEINT"}:
        return f"cast({column} as float) as {name}"
    return plain


def _with_a_shallow_one(features: Sequence[ProposedFeature]) -> Iterator[ProposedFeature]:
    """Each side needs a shallow feature: without a small category, the one with the fewest buckets."""
    single = [f for f in features if "buckets" in f.settings and "multi" not in f.settings]
    missing = not any("shallow" in feature.settings for feature in features)
    smallest = min(single, key=lambda feature: int(feature.settings["buckets"]), default=None)
    for feature in features:
        if missing and feature is smallest:
            yield ProposedFeature(
                feature.name, feature.side, {**feature.settings, "shallow": "true"}, feature.sql
            )
        else:
            yield feature


def _absent(
    connection: Connection, table: LookedAt, domain: Look | None, names: Sequence[str]
) -> dict[str, set[str]]:
    """Of each column, the surfaces or products where it is null in every row, but for columns that all have."""
    if domain is None or not names:
        return {}
    asked = ", ".join(f"count({quoted(name)}) as n{n}" for n, name in enumerate(names))
    found = rows(connection, f"select {quoted(domain.name)} as domain, {asked} from {table.view} group by 1")
    return {
        name: lacking
        for n, name in enumerate(names)
        if (lacking := {row["domain"] for row in found if not row[f"n{n}"]})
    }


def _listed(values: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"


def is_plain(name: str) -> bool:
    """Whether SQL and a preset can have the name as it is."""
    return re.fullmatch(r"[a-z][a-z0-9_]*", name) is not None
