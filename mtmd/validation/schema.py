"""The schema, compared before any suite runs: readers of Parquet coerce, widen and fill silently."""

from collections.abc import Iterator, Mapping

from mtmd.validation.results import ExpectationResult, Status

SAMPLES = 20  # a wrong schema is read column by column, so more of it is shown than of rows


def compare(
    table: str, declared: Mapping[str, str], files: Mapping[str, Mapping[str, str]]
) -> ExpectationResult:
    """Whether every file (by name) has exactly the declared columns with exactly the declared types."""
    problems = [
        {"file": file, "column": column, "problem": problem}
        for file, columns in files.items()
        for column, problem in _problems(declared, columns)
    ]
    return ExpectationResult(
        table=table,
        name="columns_as_declared",
        description="A missing column would be read as nulls and a retyped one cast, both without a word; an "
        "undeclared one is never read.",
        column=", ".join(dict.fromkeys(problem["column"] for problem in problems)) or None,
        status=Status.FAILED if problems else Status.PASSED,
        observed=len(problems),
        unexpected=len(problems),
        samples=tuple(problems[:SAMPLES]),
    )


def _problems(declared: Mapping[str, str], found: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    missing = {column: kind for column, kind in declared.items() if column not in found}
    extra = {column: kind for column, kind in found.items() if column not in declared}
    for column, kind in missing.items():
        # One missing and one extra column of a type: most likely one column under another name.
        others = [other for other, other_kind in extra.items() if other_kind == kind]
        if len(others) == 1 and list(missing.values()).count(kind) == 1:
            yield column, f"missing; {others[0]} of the same type {kind} is there instead: renamed?"
            del extra[others[0]]
        else:
            yield column, f"missing; must be {kind}"
    for column, kind in extra.items():
        yield column, f"not declared; is {kind}"
    for column in declared.keys() & found.keys():
        if found[column] != declared[column]:
            yield column, f"is {found[column]}; must be {declared[column]}"
