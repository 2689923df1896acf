"""Features: what the other columns of requests and ads are to a tower, and which are of no use to it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mtmd.extras.proposal.looks import BEYOND_BIGINT, Look, LookedAt, is_finite_sql
from mtmd.extras.proposal.names import preset_names, sql_as, tokens, toml_list
from mtmd.extras.proposal.roles import Roles
from mtmd.logs.sql import quoted, sql_name
from mtmd.project.features import enough_buckets
from mtmd.validate.gx_duckdb import Database

_CONTRACT = {
    "query": {"request_id", "ts", "surface", "user_id"},
    "item": {"ad_id", "product", "goal", "bid"},
}
_MANY = 2**20  # FLOAT, a number's own type, has whole numbers to 16 times this: larger days may come
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
_LISTED = {"VARCHAR", "TINYINT", "UTINYINT", "SMALLINT", "USMALLINT", "INTEGER", "UINTEGER", "BIGINT"}
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
    database: Database, side: str, table: LookedAt, roles: Roles, days: int
) -> ProposedFeatures:
    """What a tower can read of a table's columns beside those that play a part; `days` were looked at.

    A column that has the name of one of the contract's gets another one.
    """
    domain = roles.surface if side == "query" else roles.product
    free = [look for look in table.columns.values() if look.name not in roles.taken[table.view]]
    names = preset_names((look.name for look in free), _CONTRACT[side])
    absent = _absent(database, table, domain.look, [look.name for look in free])
    features: list[ProposedFeature] = []
    left_out: dict[str, str] = {}
    for look in free:
        settings = _useless(look, days) or _settings(look)
        if isinstance(settings, str):
            left_out[look.name] = settings
            continue
        if lacking := absent.get(look.name):
            having = [name for value, name in domain.names.items() if value not in lacking]
            settings["domains"] = toml_list(having)
        name = names[look.name]
        features.append(ProposedFeature(name, side, settings, _sql(look, name, settings)))
    return ProposedFeatures(tuple(_with_a_shallow_one(features)), left_out)


def id_feature(
    name: str, side: str, kind: str, look: Look, others: Sequence[ProposedFeature]
) -> ProposedFeature:
    """An id as a category: the tower learns an embedding for each user or ad that it has seen often."""
    settings = {"kind": '"categorical"', "buckets": _buckets(look)}
    if kind != "VARCHAR":
        settings["type"] = f'"{kind}"'
    if not any("shallow" in feature.settings for feature in others):
        settings["shallow"] = "true"
    return ProposedFeature(name, side, settings, quoted(name))


def _useless(look: Look, days: int) -> str | None:
    """Why a column says nothing; a mark that is one value or null does."""
    constant = look.distinct <= 1 and look.element is None and not (look.missing and not _is_amount(look))
    named = look.is_text or look.type == "UUID"
    for applies, why in (
        (look.missing == look.rows, "null in every row"),
        (look.lengths == (0, 0), "an empty list in every row"),
        (look.is_time, "times, of which no feature is made"),
        (constant, "the same value in every row"),
        (look.of_a_day <= 1 and look.distinct == days > 1, "one value a day, which no other day has"),
        (named and look.distinct == look.rows > _MOST_CODES, "another value in every row"),
    ):
        if applies:
            return why
    return None


def _settings(look: Look) -> dict[str, str] | str:
    """The feature's keys, or why it is none."""
    if look.element is not None:
        return _of_list(look)
    if _is_amount(look):
        amount = look.least is not None and look.least >= 0 and (look.most or 0) > _LARGE
        large = look.is_whole and max(abs(look.least or 0), abs(look.most or 0)) > _MANY
        exact = {"type": '"DOUBLE"'} if large and look.type not in BEYOND_BIGINT else {}
        return {"kind": '"continuous"'} | exact | ({"log1p": "true"} if amount else {})
    if not (look.is_text or look.has_whole_values or look.type in {"BOOLEAN", "UUID"}):
        return f"{look.type}, of which no feature is made"
    settings = {"kind": '"categorical"', "buckets": _buckets(look)}
    if look.type == "BOOLEAN" or (look.has_whole_values and look.type not in BEYOND_BIGINT):
        settings["type"] = '"BIGINT"' if look.has_whole_values else '"INTEGER"'
    return settings | ({"shallow": "true"} if look.distinct <= _MOST_SHALLOW else {})


def _of_list(look: Look) -> dict[str, str] | str:
    element, (shortest, longest) = look.element or "", look.lengths or (0, 1)
    if element in {"FLOAT", "DOUBLE"}:
        if shortest != longest:
            return f"{look.type} of different lengths, of which no feature is made"
        return {"kind": '"embedding"', "width": str(longest)}
    if element not in _LISTED:
        return f"{look.type}, of which no feature is made"
    settings = {"kind": '"categorical"', "multi": "true", "buckets": _buckets(look)}
    settings["max_length"] = str(min(max(longest, 1), _MOST_VALUES))
    return settings if element == "VARCHAR" else settings | {"type": '"BIGINT"'}


def _is_amount(look: Look) -> bool:
    return (look.is_fraction or look.is_whole) and not _is_code(look)


def _is_code(look: Look) -> bool:
    """Whether whole numbers name something; those that are fractions in the file must have such a name."""
    named = bool(_NAMES_SOMETHING & set(tokens(look.name)))
    if look.is_fraction:
        return named and look.all_whole
    return named or (look.distinct <= _MOST_CODES and look.rows > _MOST_CODES)


def _buckets(look: Look) -> str:
    return str(max(_LEAST_BUCKETS, enough_buckets(max(look.distinct, 2))))


def _sql(look: Look, name: str, settings: Mapping[str, str]) -> str:
    column, wanted = sql_name(look.name), settings.get("type", '"VARCHAR"').strip('"').lower()
    if look.type in {"BOOLEAN", "UUID"} or look.type in BEYOND_BIGINT:
        kind = "float" if settings["kind"] == '"continuous"' else wanted
        return f"cast({column} as {kind}) as {sql_name(name)}"
    if look.is_fraction and settings["kind"] == '"categorical"':
        return f"{look.whole(wanted)} as {sql_name(name)}"
    if look.has_holes and settings["kind"] == '"embedding"':
        return f"case when {is_finite_sql(column)} then {column} end as {sql_name(name)}"
    if "multi" in settings:
        return _list_sql(look, name, wanted)
    return sql_as(look.name, name)


def _list_sql(look: Look, name: str, wanted: str) -> str:
    """A list of the declared type. A null inside of a list is refused, so it is left out where there is one."""
    column = sql_name(look.name)
    value = f"list_filter({column}, lambda value: value is not null)" if look.has_holes else column
    if (look.element or "").lower() != wanted:
        value = f"cast({value} as {wanted}[])"
    return sql_as(look.name, name) if value == column else f"{value} as {sql_name(name)}"


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
    database: Database, table: LookedAt, domain: Look | None, names: Sequence[str]
) -> dict[str, set[str]]:
    """Of each column, the surfaces or products where it is null in every row, but for columns that all have.

    On one day a rare surface may lack the few values that it has on other days.
    """
    if domain is None or not names:
        return {}
    asked = ", ".join(f"count({quoted(name)}) as n{n}" for n, name in enumerate(names))
    found = database.rows(
        f"select {quoted(domain.name)} as domain, {asked} from {table.over_days} "
        "where domain is not null group by 1",
    )
    return {
        name: lacking
        for n, name in enumerate(names)
        if (lacking := {row["domain"] for row in found if not row[f"n{n}"]})
    }
