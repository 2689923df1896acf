"""Tables that benchmarks print as Markdown, read back."""

import re


def cells(line: str) -> list[str]:
    """The cells of a row, without what aligns them and without Markdown's escapes."""
    return [re.sub(r"\\(.)", r"\1", cell).strip() for cell in line.strip().strip("|").split("|")]
