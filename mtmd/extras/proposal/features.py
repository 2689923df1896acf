"""Features: what the other columns of requests and ads are to a tower, and which are of no use to it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mtmd.extras.proposal.columns import Column, Table, preset_names, sql_as, tokens, toml_text

_CONTRACT = {
    "query": {"request_id", "ts", "surface", "user_id"},
    "item": {"ad_id", "product", "goal", "bid"},
}
_LEAST_BUCKETS, _SPREAD = 64, 10  # the second for each value: about a tenth then meets another in its bucket
_FEW = 64  # values of a category that the small shallow experts can still tell apart, and of a code
_LARGE = 100.0  # a number that is never negative and reaches this is read by its logarithm
_NAMES_SOMETHING = set("id code type hour weekday day category version zip region class".split())  # noqa: SIM905
_SAYS_A_COUNT = re.compile(r"n|num|number|count|counts|cnt|total|sum|days|\d+(d|h|w|m|days?|hours?|weeks?)")
_NEARLY = 0.9  # of the rows
_MOST_VALUES = 1000  # of a list that are read


@dataclass(frozen=True)
class ProposedFeature:
    """A column that a tower reads: TOML of each of its keys in the preset, and the SQL that gives it its type."""

    name: str
    side: str
    settings: Mapping[str, str]
    sql: str

    @property
    def toml(self) -> str:
        """Its [[features]] table."""
        settings = "".join(f"\n{key} = {value}" for key, value in self.settings.items())
        return f'[[features]]\nname = "{self.name}"\nside = "{self.side}"{settings}'


@dataclass(frozen=True)
class ProposedFeatures:
    """Features, and the columns that no tower reads, each with the reason."""

    features: Sequence[ProposedFeature]
    left_out: dict[str, str]


def find_features(side: str, table: Table, taken: set[str]) -> ProposedFeatures:
    """What a tower can read of a table's columns that play no part.

    A column that has the name of one of the contract's gets another one.
    """
    free = table.beside(taken)
    names = preset_names((column.name for column in free), _CONTRACT[side])
    features: list[ProposedFeature] = []
    left_out: dict[str, str] = {}
    for column in free:
        found = _useless(column) or _settings(column)
        if isinstance(found, str):
            left_out[column.name] = found
            continue
        settings, value = found
        name = names[column.name]
        features.append(ProposedFeature(name, side, settings, sql_as(value, name)))
    return ProposedFeatures(features, left_out)


def id_feature(name: str, side: str, kind: str, column: Column) -> ProposedFeature:
    """An id as a category: the tower learns an embedding for each user or ad that it has seen often."""
    settings = {"kind": '"categorical"', "buckets": _buckets(column)}
    if kind != "VARCHAR":
        settings["type"] = toml_text(kind)
    return ProposedFeature(name, side, settings, name)


def with_a_shallow_one(features: Sequence[ProposedFeature]) -> list[ProposedFeature]:
    """Each side needs a shallow feature: without a small category, the one with the fewest buckets."""
    if any("shallow" in feature.settings for feature in features):
        return list(features)
    single = [one for one in features if "buckets" in one.settings and "max_length" not in one.settings]
    smallest = min(single, key=lambda one: int(one.settings["buckets"]))
    return [
        replace(one, settings={**one.settings, "shallow": "true"}) if one is smallest else one
        for one in features
    ]


def _useless(column: Column) -> str:
    """Why a column says nothing; empty where it may. A mark that is one value or null says something."""
    for applies, why in (
        (column.sample is None, "null in every row"),
        (column.element is not None and column.lengths == (0, 0), "an empty list in every row"),
        (column.is_time, "times, of which no feature is made"),
        (column.distinct <= 1 and column.element is None and not column.nulls, "the same value in every row"),
        (column.id_type != "BIGINT" and not column.is_fraction and column.element is None and column.rows > _FEW
         and column.distinct >= _NEARLY * column.rows, "another value in every row"),
    ):  # fmt: skip
        if applies:
            return why
    return ""


def _settings(column: Column) -> tuple[dict[str, str], str] | str:
    """The feature's keys and the SQL of its value; or why it is none."""
    if column.element is not None:
        return _of_list(column, column.element, column.lengths)
    if column.is_fraction or (column.is_whole and not _is_code(column)):
        amount = column.least is not None and column.least >= 0 and (column.most or 0) > _LARGE
        kind = {"kind": '"continuous"', "type": '"DOUBLE"'} | ({"log1p": "true"} if amount else {})
        return kind, column.sql if column.type == "DOUBLE" else f"cast({column.sql} as double)"
    settings = {"kind": '"categorical"', "buckets": _buckets(column)}
    if column.distinct <= _FEW:
        settings["shallow"] = "true"
    if column.type == "BOOLEAN":
        return settings | {"type": '"INTEGER"'}, f"cast({column.sql} as integer)"
    if column.id_type == "BIGINT":
        return settings | {"type": '"BIGINT"'}, column.sql
    if column.is_text or column.is_whole or column.type == "UUID":
        return settings, column.sql if column.is_text else f"cast({column.sql} as varchar)"
    return f"{column.type}, of which no feature is made"


def _of_list(column: Column, element: str, lengths: tuple[int, int]) -> tuple[dict[str, str], str] | str:
    """Numbers of one length are a vector; texts and whole numbers are a category of several values without nulls."""
    if element in {"FLOAT", "DOUBLE"}:
        if lengths[0] != lengths[1]:
            return f"{column.type} of different lengths, of which no feature is made"
        return {"kind": '"embedding"', "width": str(lengths[1])}, column.sql
    one = replace(column, type=element)
    if not (one.is_text or one.id_type == "BIGINT"):
        return f"{column.type}, of which no feature is made"
    settings = {"kind": '"multivalued"', "buckets": _buckets(column)}
    settings |= {"max_length": str(min(max(lengths[1], 1), _MOST_VALUES))}
    settings |= {} if one.is_text else {"type": '"BIGINT"'}
    return settings, f"list_filter({column.sql}, lambda value: value is not null)"


def _is_code(column: Column) -> bool:
    """Whether whole numbers name something."""
    if any(_SAYS_A_COUNT.fullmatch(word) for word in tokens(column.name)):
        return False
    few = column.distinct <= _FEW < column.rows
    return few or bool(_NAMES_SOMETHING & set(tokens(column.name)))


def _buckets(column: Column) -> str:
    return str(max(_LEAST_BUCKETS, _SPREAD * column.distinct))
