"""Where a browser finds the pages of runs."""

import os
from pathlib import Path
from urllib.parse import quote

from mtmd.store.stores import artifacts_folder


def report_url(artifacts: str | Path, page: str) -> str | None:
    """Where a browser finds a page, when MTMD_REPORTS_URL says under which URL the artifacts are served."""
    base = os.environ.get("MTMD_REPORTS_URL", "").rstrip("/")
    if not base:
        return None
    inside = Path(page).relative_to(artifacts_folder(artifacts))
    return f"{base}/{quote(inside.as_posix())}"
