"""The one line of an artifact that leads to the run's page, at the section that says more."""

from mtmd.report.markdown.plain import code

_PENDING = "Report page: it is written when the run has decided."


def with_link(markdown: str, page: str | None = None, url: str | None = None, section: str = "") -> str:
    """The artifact with its line below the heading: a link, the page's path where nothing serves it, or `not yet`."""
    head, _, rest = markdown.partition("\n\n")
    return "\n\n".join([head, _PENDING if page is None else _line(page, url, section), rest])


def linked(markdown: str, page: str, url: str | None, section: str) -> str | None:
    """An artifact that waits for the page, with its link; None where it does not wait."""
    return markdown.replace(_PENDING, _line(page, url, section), 1) if _PENDING in markdown else None


def _line(page: str, url: str | None, section: str) -> str:
    place = f"#{section}" if section else ""
    return f"Report page: [report.html{place}]({url}{place})" if url else f"Report page: {code(page)}"
