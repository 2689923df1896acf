"""Names that a preset and SQL can have, for names and values that logs have."""

import json
import re
from collections.abc import Collection, Iterable, Mapping

from mtmd.logs.sql import sql_name

# what `duckdb_keywords()` calls reserved, or a type or function: a column of that name is written in quotes
_WORDS = {  # that name a part of the contract, the likeliest first
    "request": ("request", "req", "query", "auction", "search"),
    "ad": ("ad", "item", "creative", "pin", "product", "document", "doc", "offer"),
    "ts": ("ts", "timestamp", "time", "at", "datetime", "created", "logged"),
    "user": ("user", "member", "viewer", "visitor", "customer", "account", "uid"),
    "surface": ("surface", "placement", "page", "slot", "tab", "inventory", "site", "channel", "context"),
    "product": ("product", "type", "kind", "campaign", "line", "category", "class"),
    "goal": ("goal", "objective", "optimization"),
    "bid": ("bid", "cpc", "price", "value", "budget"),
    "impressed": ("impressed", "impression", "shown", "displayed", "seen", "viewed", "served", "rendered"),
    "position": ("position", "rank", "place", "slot"),
    "explored": ("explored", "exploration", "explore"),
}


def tokens(name: str) -> list[str]:
    """A name in lower-case words: `adId2` is ad, id2."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return [word for word in re.split(r"[^a-z0-9]+", spaced.lower()) if word]


def rank_of(part: str, name: str) -> int | None:
    """How well a column's name says a part of the contract, 0 being best; None where it does not."""
    return next((rank for rank, word in enumerate(_WORDS[part]) if word in tokens(name)), None)


def preset_name(name: str, taken: Collection[str] = ()) -> str:
    """The name as a preset can have it, and as none is `taken`: letters, digits and underscores, a letter first."""
    plain = "_".join(tokens(name)) or "unnamed"
    plain = plain if plain[0].isalpha() else f"n_{plain}"
    named, number = plain, 1
    while named in taken or named == "all":  # "all" is the sum over slices
        number += 1
        named = f"{plain}_{number}"
    return named


def preset_names(names: Iterable[str], taken: Iterable[str] = ()) -> Mapping[str, str]:
    """Each name's own name in the preset; no two are equal."""
    found: dict[str, str] = {}
    others = set(taken)
    for name in names:
        found[name] = preset_name(name, others)
        others.add(found[name])
    return found


def sql_as(column: str, name: str) -> str:
    """A column under another name, or under its own."""
    return sql_name(column) if column == name else f"{sql_name(column)} as {sql_name(name)}"


def sql_domain(column: str, names: Mapping[str, str], name: str) -> str:
    """A column of surfaces or products, each value under its name in the preset."""
    if all(value == named for value, named in names.items()):
        return sql_as(column, name)
    cases = " ".join(f"when {_text(value)} then {_text(named)}" for value, named in names.items())
    return f"case {sql_name(column)} {cases} else {sql_name(column)} end as {name}"


def toml_text(value: str) -> str:
    """Text of TOML, which has the escapes of JSON and more."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def in_comment(name: str) -> str:
    """The name on one line."""
    return " ".join(name.split())


def toml_list(values: Iterable[str]) -> str:
    """Names as a list of TOML."""
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
