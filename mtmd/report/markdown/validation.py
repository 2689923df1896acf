"""Validation results as a short Markdown section, for a flow run's artifact and for the terminal."""

from collections import Counter
from collections.abc import Iterator, Sequence

from mtmd.validate.results import (
    DayValidation,
    ExpectationResult,
    Status,
    Validation,
    WindowValidation,
    casts_told,
)


def render_markdown(validations: Sequence[DayValidation | WindowValidation]) -> str:
    """One table row per validation, then each failure and warning: its meaning, counts and sample keys."""
    lines = [
        f"## Data quality: {verdict(validations)}",
        "",
        "| | verdict | passed | failed | raised | skipped | candidates |",
        "|---|---|---:|---:|---:|---:|---:|",
        *map(_row, validations),
    ]
    for validation in validations:
        lines += _details(validation)
    lines += _skipped(validations)
    for casts in casts_told(validations):
        lines += ["", f"Types: {_cell(casts)}."]
    return "\n".join(lines) + "\n"


def verdict(validations: Sequence[Validation]) -> str:
    """Whether the run is stopped, and how many warnings there are."""
    stopping = sum(not validation.passed for validation in validations)
    warnings = sum(len(validation.warnings) for validation in validations)
    words = f"{stopping} of {len(validations)} stop the run" if stopping else "all hold"
    return words + (f", {warnings} warning{'s' if warnings > 1 else ''}" if warnings else "")


def _row(validation: DayValidation | WindowValidation) -> str:
    count = Counter(result.status for result in validation.results)
    profile = validation.profile if isinstance(validation, DayValidation) else None
    candidates = "" if profile is None else f"{sum(d.candidates for d in profile.domains):,}"
    ending = "ok, with warnings" if validation.warnings else "ok"
    ending = ending if validation.passed else "**stops the run**"
    counts = " | ".join(str(count[status]) for status in Status)
    return f"| {validation.title} | {ending} | {counts} | {candidates} |"


def _details(validation: DayValidation | WindowValidation) -> Iterator[str]:
    for result in validation.results:
        if result.status not in {Status.FAILED, Status.RAISED}:
            continue
        level = "" if result.stops else " (warning)"
        yield from (
            "",
            f"### {validation.title}: `{result.table}.{result.name}` {result.status}{level}",
            "",
        )
        yield result.description
        if result.message is not None:
            yield from ("", f"It could not be checked: {_cell(result.message)}")
        if result.samples:
            yield from ("", *_samples(result))


def _samples(result: ExpectationResult) -> Iterator[str]:
    columns = list(dict.fromkeys(key for sample in result.samples for key in sample))
    yield f"{result.unexpected:,} unexpected; the first {len(result.samples)}:"
    yield ""
    yield "| " + " | ".join(map(_cell, columns)) + " |"
    yield "|" + "---|" * len(columns)
    for sample in result.samples:
        yield "| " + " | ".join(_cell(sample.get(column, "")) for column in columns) + " |"


def _skipped(validations: Sequence[DayValidation | WindowValidation]) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for validation in validations:
        for result in validation.results:
            if result.status is Status.SKIPPED and result.message is not None:
                reasons.setdefault(result.message, []).append(validation.title)
    for reason, titles in reasons.items():
        days = sorted(set(titles))
        yield from ("", f"{len(titles)} expectations skipped on {', '.join(days)}: {reason}.")


def _cell(text: str) -> str:
    """Text that can't end a table cell or start markup."""
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
