"""Validation results as a short Markdown section, for a flow run's artifact and for the terminal."""

from collections import Counter
from collections.abc import Iterator, Sequence

from mtmd.report.markdown.fitting import fitted
from mtmd.report.markdown.plain import cell, code, plain
from mtmd.report.tables.evaluation import Column, Table, columns_of
from mtmd.validate.results import (
    DayValidation,
    ExpectationResult,
    Status,
    Validation,
    WindowValidation,
    casts_told,
)

_EXCEPTION_COLUMNS: tuple[Column, ...] = (
    *columns_of("text", ("of", "verdict")),
    *columns_of("count", Status),
)


def render_markdown(validations: Sequence[DayValidation | WindowValidation]) -> str:
    """How many hold, then only what does not: a row, its meaning, counts and sample keys; then what was skipped."""
    odd = [v for v in validations if not v.passed or v.warnings]
    stops = any(not validation.passed for validation in validations)
    lines = [f"## {'✗' if stops else '✓'} Data quality: {_hold(validations)}", "", *_summary(validations)]
    if odd:
        table = Table(title="Exceptions", columns=_EXCEPTION_COLUMNS, rows=tuple(map(_row, odd)))
        lines += ["", fitted(table)]
    for validation in odd:
        lines += _details(validation)
    lines += _skipped(validations)
    for casts in casts_told(validations):
        lines += ["", f"Types: {plain(casts)}."]
    return "\n".join(lines) + "\n"


def _hold(validations: Sequence[DayValidation | WindowValidation]) -> str:
    """`23 of 24 days hold, the window does not, 1 warning`."""
    days = [validation.passed for validation in validations if isinstance(validation, DayValidation)]
    windows = [window.passed for window in validations if isinstance(window, WindowValidation)]
    warnings = sum(len(validation.warnings) for validation in validations)
    parts = [
        *([f"{sum(days)} of {len(days)} days hold"] if days else []),
        *(f"the window {'holds' if holds else 'does not'}" for holds in windows),
        *([f"{warnings} warning{'s' if warnings > 1 else ''}"] if warnings else []),
    ]
    return ", ".join(parts)


def _summary(validations: Sequence[DayValidation | WindowValidation]) -> Iterator[str]:
    """Of all expectations, and of the days' candidates."""
    count = Counter(result.status for validation in validations for result in validation.results)
    yield "- expectations: " + ", ".join(f"{count[status]:,} {status}" for status in Status)
    days = (validation for validation in validations if isinstance(validation, DayValidation))
    if rows := [_candidates(day) for day in days if day.profile is not None]:
        yield f"- candidates of a day: {min(rows):,} to {max(rows):,}"


def _candidates(day: DayValidation) -> int:
    return 0 if day.profile is None else sum(domain.candidates for domain in day.profile.domains)


def verdict(validations: Sequence[Validation]) -> str:
    """Whether the run is stopped, and how many warnings there are."""
    stopping = sum(not validation.passed for validation in validations)
    warnings = sum(len(validation.warnings) for validation in validations)
    words = f"{stopping} of {len(validations)} stop the run" if stopping else "all hold"
    return words + (f", {warnings} warning{'s' if warnings > 1 else ''}" if warnings else "")


def _row(validation: DayValidation | WindowValidation) -> tuple[str | int, ...]:
    count = Counter(result.status for result in validation.results)
    verdict = "⚠ warning" if validation.passed else "✗ **stops the run**"
    return (validation.title, verdict, *(count[status] for status in Status))


def _details(validation: DayValidation | WindowValidation) -> Iterator[str]:
    for result in validation.results:
        if result.status not in {Status.FAILED, Status.RAISED}:
            continue
        level = "" if result.stops else " (warning)"
        yield from (
            "",
            f"### {validation.title}: {code(f'{result.table}.{result.name}')} {result.status}{level}",
            "",
        )
        yield plain(result.description)
        if result.message is not None:
            yield from ("", f"It could not be checked: {plain(result.message)}")
        if result.samples:
            yield from ("", *_samples(result))


def _samples(result: ExpectationResult) -> Iterator[str]:
    columns = list(dict.fromkeys(key for sample in result.samples for key in sample))
    title = f"{result.unexpected:,} unexpected; the first {len(result.samples)}"
    rows = tuple(tuple(cell(sample.get(column, "")) for column in columns) for sample in result.samples)
    yield fitted(Table(title=title, columns=columns_of("text", map(cell, columns)), rows=rows))


def _skipped(validations: Sequence[DayValidation | WindowValidation]) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for validation in validations:
        for result in validation.results:
            if result.status is Status.SKIPPED and result.message is not None:
                reasons.setdefault(result.message, []).append(validation.title)
    for reason, titles in reasons.items():
        days = sorted(set(titles))
        yield from ("", f"{len(titles)} expectations skipped on {', '.join(days)}: {plain(reason)}.")
