"""Numbers as a page writes them."""

from math import isnan


def minus(text: str) -> str:
    """Hyphens as minus signs, which are as wide as a plus."""
    return text.replace("-", "−")


def percent(value: float | None, digits: int = 1) -> str:
    """A signed share, `+9.2%`; a dash for None."""
    return "–" if value is None else minus(f"{value:+.{digits}%}")


def decimal(value: float | None, digits: int = 4) -> str:
    """A plain number; a dash for None and NaN."""
    return "–" if value is None or isnan(value) else minus(f"{value:.{digits}f}")


def scientific(value: float | None) -> str:
    """Powers of ten, for differences; what is not finite says so."""
    return "not finite" if value is None else minus(f"{value:.1e}")


def listed(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"
