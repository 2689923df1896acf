"""Tables that benchmarks print as Markdown, read back."""


def cells(line: str) -> list[str]:
    """The cells of a row, without what aligns them."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
