"""Features: what the other columns of requests and ads are to a tower, and which are of no use to it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mtmd.extras.proposal.tables import Column, preset_names, tokens

_CONTRACT = {
    "requests": {"request_id", "ts", "surface", "user_id"},
    "ads": {"ad_id", "product", "goal", "bid"},
}
_LEAST_BUCKETS, _SPREAD = 64, 10  # the second for each value: about a tenth then meets another in its bucket
_FEW = 64  # values of a category that the small shallow experts can still tell apart, and of a code
_LARGE = 100.0  # a number that is never negative and reaches this is read by its logarithm
_NAMES_SOMETHING = set("id code type hour weekday day category version zip region class".split())  # noqa: SIM905
_SAYS_A_COUNT = re.compile(r"n|num|number|count|counts|cnt|total|sum|days|\d+(d|h|w|m|days?|hours?|weeks?)")
_NEARLY = 0.9  # of the rows
_MOST_VALUES = 1000  # of a list that are read

Settings = dict[str, Any]  # the keys of a feature's table in the preset


def find_features(
    table: str, free: Sequence[Column], ids: Mapping[str, Column | None]
) -> tuple[list[Settings], dict[str, str], list[str]]:
    """What a tower can read: ids, and columns that play no part; SQL of these by name; and names of what is left out.

    A column that has the name of one of the contract's gets another one.
    """
    settings = {name: _category(column) | _typed(column) for name, column in ids.items() if column}
    sql: dict[str, str] = {}
    left_out = []
    names = preset_names((column.name for column in free), _CONTRACT[table])
    for column in free:
        if not _is_useless(column) and (found := _settings(column)):
            settings[names[column.name]], sql[names[column.name]] = found
        else:
            left_out.append(column.name)
    if not any("shallow" in one for one in settings.values()):  # each side needs one
        single = [one for one in settings.values() if one["kind"] == "categorical"]
        min(single, key=lambda one: int(one["buckets"]))["shallow"] = True
    side = "query" if table == "requests" else "item"
    return [{"name": name, "side": side} | one for name, one in settings.items()], sql, left_out


def _is_useless(column: Column) -> bool:
    """Whether it says nothing: times, one value in all rows, or another in each. One value or null says something."""
    differ = column.kind in {"large", "text", "uuid"} and column.distinct >= _NEARLY * column.rows
    single = column.distinct == 1 and not column.nulls and column.kind != "list"
    return not column.distinct or single or column.kind == "time" or (differ and column.rows > _FEW)


def _settings(column: Column) -> tuple[Settings, str] | None:
    """The feature's keys and the SQL of its value; None where no feature is made of such a type."""
    if column.kind == "list":
        return _of_list(column)
    if column.kind == "fraction" or (column.kind in {"whole", "large"} and not _is_code(column)):
        amount = column.least is not None and column.least >= 0 and (column.most or 0) > _LARGE
        settings = {"kind": "continuous", "type": "DOUBLE"} | ({"log1p": True} if amount else {})
        return settings, column.sql if column.type == "DOUBLE" else f"cast({column.sql} as double)"
    settings = _category(column) | ({"shallow": True} if column.distinct <= _FEW else {})
    if column.kind == "truth":
        return settings | {"type": "INTEGER"}, f"cast({column.sql} as integer)"
    return (settings | _typed(column), column.id_sql) if column.is_key else None


def _of_list(column: Column) -> tuple[Settings, str] | None:
    """Numbers of one length are a vector; texts and whole numbers are a category of several values without nulls."""
    element = replace(column, type=column.type[: column.type.rindex("[")], sample=None)
    least, most = column.lengths
    if element.type in {"FLOAT", "DOUBLE"} and least == most:
        return {"kind": "embedding", "width": most}, column.sql
    if element.kind not in {"text", "whole"}:
        return None
    settings = _category(column) | {"kind": "multivalued", "max_length": min(most, _MOST_VALUES)}
    return settings | _typed(element), f"list_filter({column.sql}, lambda value: value is not null)"


def _category(column: Column) -> Settings:
    return {"kind": "categorical", "buckets": max(_LEAST_BUCKETS, _SPREAD * column.distinct)}


def _typed(column: Column) -> Settings:
    return {"type": "BIGINT"} if column.id_type == "BIGINT" else {}


def _is_code(column: Column) -> bool:
    """Whether whole numbers name something."""
    words = tokens(column.name)
    if any(_SAYS_A_COUNT.fullmatch(word) for word in words):
        return False
    return column.distinct <= _FEW < column.rows or bool(_NAMES_SOMETHING.intersection(words))
