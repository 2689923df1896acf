"""Names that a preset and SQL can have, for names and values that logs have."""

import json
import re
from collections.abc import Iterable, Mapping

from mtmd.logs.sql import sql_name

_WORDS = {  # that name a part of the contract, the likeliest first
    "request": ("request", "req", "query", "auction", "search", "id"),
    "ad": ("ad", "item", "creative", "pin", "product", "document", "doc", "offer", "id"),
    "ts": ("ts", "timestamp", "time", "at", "datetime", "created", "logged"),
    "user": ("user", "member", "viewer", "visitor", "customer", "account", "uid"),
    "surface": ("surface", "placement", "page", "slot", "tab", "inventory", "site", "channel", "context"),
    "product": ("product", "type", "kind", "campaign", "line", "category", "class"),
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


def preset_names(names: Iterable[str], taken: Iterable[str] = ()) -> Mapping[str, str]:
    """What a preset calls each name: letters, digits and underscores, a letter first; all differ, none is `taken`."""
    used = {*taken, "all"}  # which is the sum over slices
    found: dict[str, str] = {}
    for name in names:
        plain = "_".join(tokens(name)) or "unnamed"
        plain = plain if plain[0].isalpha() else f"n_{plain}"
        others = (f"{plain}_{number}" for number in range(2, len(used) + 3))
        found[name] = next(named for named in (plain, *others) if named not in used)
        used.add(found[name])
    return found


def sql_as(value: str, name: str) -> str:
    """SQL of a value under a name; a column that has the name already is written alone."""
    return value if value == sql_name(name) else f"{value} as {sql_name(name)}"


def toml_text(value: str) -> str:
    """Text of TOML, which has the escapes of JSON and more."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_list(values: Iterable[str]) -> str:
    """Names as a list of TOML."""
    return f"[{', '.join(map(toml_text, values))}]"
