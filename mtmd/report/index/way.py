"""The way from a run's page to the index of its line, and to the pages of the runs before and after it.

A page is written when its run decides, so it cannot know the runs that follow. Whoever writes the index writes the
links into the pages. `index.json` remembers what a page's links are, so a page is read again only where they change.
"""

import logging
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from mtmd.config import Frozen
from mtmd.report.index.records import RunRecord
from mtmd.store.stores import store_of

BEGIN, END = "<!--way-->", "<!--/way-->"  # in a page, around its links
_log = logging.getLogger(__name__)


class Way(Frozen):
    """Names of the runs that a page links, empty for none, and the time of the file with these links."""

    previous: str = ""
    following: str = ""
    mtime_ns: int = 0


def link_pages(
    root: Path, runs: Sequence[RunRecord], pages: frozenset[str], known: dict[str, Way]
) -> dict[str, Way]:
    """Bring the links of every page up to date; `runs` are the line's, the newest first. Returns what pages link now.

    A page that can't be written keeps its old links, and the log has a warning. A page that an older version wrote has
    no place for links.
    """
    with_page = [run for run in reversed(runs) if run.run in pages]
    neighbours: list[RunRecord | None] = [None, *with_page, None]
    ways = {}
    for place, run in enumerate(with_page):
        previous, following = neighbours[place], neighbours[place + 2]
        try:
            ways[run.run] = _linked(root, run, previous, following, known.get(run.run))
        except OSError as error:
            _log.warning("the page of %s has no new links: %s", run.run, error)
    return ways


def _linked(
    root: Path, run: RunRecord, previous: RunRecord | None, following: RunRecord | None, known: Way | None
) -> Way:
    page = root / "runs" / run.run / "report.html"
    way = Way(
        previous=previous.run if previous else "",
        following=following.run if following else "",
        mtime_ns=page.stat().st_mtime_ns,
    )
    if way == known:
        return way
    text = page.read_bytes().decode()
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    linked = f"{before}{BEGIN}{_links(root.name, previous, following)}{END}{after}"
    if end and linked != text:
        store_of(page).write_text(page, linked)
    return way.model_copy(update={"mtime_ns": page.stat().st_mtime_ns})


def _links(line: str, previous: RunRecord | None, following: RunRecord | None) -> str:
    links = [f'<a href="../../index.html">All days and runs of {escape(line)}</a>']
    for words, run in (("Previous run", previous), ("Next run", following)):
        if run is not None:
            links.append(f'<a href="../{quote(run.run)}/report.html">{words}: {run.as_of}</a>')
    return " ".join(links)
