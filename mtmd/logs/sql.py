"""The statements of sql/, one file each, and the settings that shut the sessions in which they run.

A session reads the places that a preset declares, and nothing else of the machine: no other file, no network, no
extension; the settings can't be changed back. DuckDB is not imported here.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from mtmd.errors import ConfigError

MEMORY = "MTMD_DUCKDB_MEMORY"  # of one session, such as 8GiB


def shut_in(roots: Iterable[Path]) -> Iterator[str]:
    """The statements that leave a session these folders and files, and its spill directory, which is set before."""
    # DuckDB compares a path before it reads it as a pattern, so a folder is also allowed as its files are written then.
    places = [Path(os.path.normpath(root)) for root in roots]
    folders = [place for place in places if not place.is_file()]
    yield "set autoinstall_known_extensions = false"
    yield "set autoload_known_extensions = false"
    yield "set allow_community_extensions = false"
    yield f"set allowed_directories = [{_listed((*map(str, folders), *duckdb_paths(folders)))}]"
    yield f"set allowed_paths = [{_listed(str(place) for place in places if place not in folders)}]"
    yield "set enable_external_access = false"
    yield "set lock_configuration = true"


def linked(files: Iterable[Path]) -> list[Path]:
    """The files that links lead to, of those among the files that are links or in linked folders.

    A folder that a session may read does not have them: DuckDB compares the file that a link leads to.
    """
    real = {file: Path(os.path.realpath(file)) for file in files}
    return [place for file, place in real.items() if place != file]


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(map(literal, dict.fromkeys(texts)))


SQL = Path(__file__).parents[1] / "sql"
# DuckDB 2.0 believes what a Parquet file says of a column's least and greatest value, and most writers leave NaN out:
# `isnan(column)` is then always false, and rows are skipped (github.com/duckdb/duckdb/issues/25521). So each session
# looks at the rows instead.
BELIEVE_ROWS = "set disabled_optimizers = 'statistics_propagation,filter_pushdown'"
# Quoted text, any other character, or (kept by neither group) comments and white space.
_SQL_PARTS = re.compile(
    r"""((?<![\w"])[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(?P<tag>\$\w*\$).*?(?P=tag))"""
    r"|(?:--[^\n]*|/\*.*?\*/|\s)+|(?P<other>.)",
    re.DOTALL,
)

# The likeliest names of columns among the words that DuckDB keeps for itself.
_RESERVED = frozenset(
    re.findall(
        r"\w+",
        "all and any array as asc at between binary both by case cast check collation column constraint create cross "
        "default desc describe distinct do else end except false fetch for foreign freeze from full glob group having "
        "in inner into is join lambda lateral leading left like limit natural not null offset on only or order outer "
        "overlaps pivot positional primary qualify references right select semi show similar some table then to "
        "trailing true union unique using verbose when where window with",
    )
)


def statement(name: str) -> str:
    """Text of sql/<name>.sql."""
    path = SQL / f"{name}.sql"
    if not path.is_file():
        raise ConfigError(f"{path} does not exist; the package is not whole: install it again")
    return path.read_text()


def without_end(text: str) -> tuple[str, int | None]:
    """A statement without the semicolon that ends it and the comments behind that; it may be part of others then.

    The second value is the line on which a second statement begins, None where there is none.
    """
    parts = [match for match in _SQL_PARTS.finditer(text) if match[1] or match["other"]]
    end = next((n for n, match in enumerate(parts) if match["other"] == ";"), None)
    if end is None:
        return text, None
    behind = (text.count("\n", 0, match.start()) + 1 for match in parts[end:] if match["other"] != ";")
    return text[: parts[end].start()], next(behind, None)


def bare_sql(text: str) -> str:
    """A statement without its comments and line breaks: what it computes, and so what names its output."""
    parts = (match[1] or match["other"] or " " for match in _SQL_PARTS.finditer(text))
    return "".join(parts).strip()


def parameter_names(text: str) -> set[str]:
    """The parameters of a statement, `$paths` as `paths`."""
    return set(
        re.findall(r"\$([A-Za-z_]\w*)", "".join(match["other"] or " " for match in _SQL_PARTS.finditer(text)))
    )


def quoted(column: str) -> str:
    """A column name in a statement."""
    return '"' + column.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string constant in a statement."""
    return "'" + text.replace("'", "''") + "'"


def sql_name(name: str) -> str:
    """The name of a column in a statement, in quotes where it needs them."""
    return name if re.fullmatch(r"[a-z][a-z0-9_]*", name) and name not in _RESERVED else quoted(name)


def duckdb_paths(files: Iterable[Path]) -> list[str]:
    """Paths for DuckDB's readers, which take each for a pattern: `*`, `?` and `[` stand for themselves."""
    return [re.sub(r"([*?\[])", r"[\1]", str(file)) for file in files]
