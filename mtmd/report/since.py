"""What changed since the last champion: values, columns beyond their band, prediction level, and how it was made."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from mtmd.config import Declarations
from mtmd.errors import BundleError, RegistryError
from mtmd.evaluate.report import EvaluationReport
from mtmd.expectations.steadiness import Measure
from mtmd.extract.shards import Days
from mtmd.registry.records import ModelManifest
from mtmd.registry.registry import Registry
from mtmd.report.former_rules import FormerRules
from mtmd.report.made import Difference, Made, differing, sql_changes
from mtmd.report.rewritten import Rewritten, rewritten
from mtmd.report.values import ValueChange, value_changes
from mtmd.store.workspace import Workspace
from mtmd.validate.results import DayValidation, ExpectationResult, Status, WindowValidation

_LISTED = 40  # numbers beyond their bands on the page, what stops the run and the newest day first
_NAMED, _VALUE = 2, 32  # differences of the preset on the first screen, and characters of a value
_BANDS = tuple(f"{measure}_{end}" for measure in Measure for end in ("steady", "as_usual"))


@dataclass(frozen=True)
class Beyond:
    """A number of a day that is outside the band that earlier days give it; numbers as validation wrote them."""

    day: date
    measure: str
    domain: str
    subject: str
    observed: str
    usual: str
    band: str
    stops: bool

    @property
    def words(self) -> str:
        """`requests: mean scores of ctr in search × standard, 0.044 where 0.077 is usual`"""
        of = "".join(
            f" {how} {what}" for how, what in (("of", self.subject), ("in", self.domain)) if what != "–"
        )
        return f"{self.measure}{of}, {self.observed} where {self.usual} is usual"


@dataclass(frozen=True)
class Bands:
    """What the days since the champion's say: columns beyond their bands, in words and one by one."""

    words: str
    kind: str
    found: tuple[Beyond, ...]
    more: int


@dataclass(frozen=True)
class LevelRow:
    """A task's mean prediction on the held-out day, beside the champion's and the mean teacher score."""

    task: str
    own: float
    champion: float
    teacher: float

    @property
    def change(self) -> float:
        return self.own / self.champion - 1.0


@dataclass(frozen=True)
class Since:
    """All that a run says of the time since the champion that it was compared with.

    as_of      the champion's held-out day; None where its manifest is gone
    made       None where it can't be compared; a note says why
    notes      what is not recorded, and why
    sql        each changed statement, with the lines that changed
    rewritten  days that the champion saw with other data, and what changed in them
    rules      whether the gates would decide otherwise under the bounds of the champion's run
    """

    champion: str
    as_of: date | None
    values: tuple[ValueChange, ...]
    values_note: str
    bands: Bands
    level: tuple[LevelRow, ...]
    made: tuple[Difference, ...] | None
    notes: tuple[str, ...]
    sql: tuple[tuple[str, tuple[str, ...]], ...]
    rewritten: Rewritten = field(default_factory=Rewritten)
    rules: FormerRules = field(default_factory=FormerRules)

    @property
    def made_words(self) -> str:
        """What differs in how both were made but for their days, the preset first; empty where nothing does."""
        found = [one for one in self.made or () if one.what != "data"]
        preset = [one for one in found if one.what == "preset"][:_NAMED]
        parts = [f"{one.key} {_short(one.first)} → {_short(one.second)}" for one in preset]
        rest = [one for one in found if one not in preset]
        if rest:
            kinds = ", ".join(dict.fromkeys(one.what for one in rest))
            other = "other " if preset else ""
            parts.append(f"{len(rest)} {other}difference{'s' if len(rest) > 1 else ''} ({kinds})")
        return f"made in another way: {', '.join(parts)}" if parts else ""


def since(
    workspace: Workspace,
    champion: str,
    made: Made,
    days: Days,
    declarations: Declarations,
    validations: Sequence[DayValidation | WindowValidation],
    report: EvaluationReport,
) -> Since:
    """The run beside the champion that it was compared with; `made` is how its own model was made."""
    values, values_note = value_changes(workspace, days, declarations, champion)
    manifest = _manifest(workspace, champion)
    as_of = manifest.as_of if manifest else None
    before = Made.of_model(workspace, champion)
    differences, damage = _differing(workspace, before, made)
    seen = _seen(manifest) if manifest else {}
    return Since(
        champion=champion,
        as_of=as_of,
        values=values,
        values_note=values_note,
        bands=bands(validations, as_of or days.held_out.day),
        level=level(report),
        made=differences,
        notes=(*_notes(before, made), *damage),
        sql=sql_changes(before.origin, made.origin),
        rewritten=rewritten(workspace, champion, seen, days, declarations, validations),
    )


def _seen(manifest: ModelManifest) -> dict[date, str]:
    """Fingerprints of the shards that a model was trained and evaluated on."""
    held_out = {manifest.as_of: manifest.held_out} if manifest.held_out else {}
    return manifest.window | held_out


def bands(validations: Sequence[DayValidation | WindowValidation], first: date) -> Bands:
    """Of the days from `first` on: shares, null rates, mean scores and categories that are beyond their bands."""
    days = [one for one in validations if isinstance(one, DayValidation) and one.day >= first]
    results = [(day.day, result) for day in days for result in day.results if result.name in _BANDS]
    failed = [(day, result) for day, result in results if result.status is Status.FAILED]
    judged = any(result.status in {Status.PASSED, Status.FAILED} for _, result in results)
    listed = [_beyond(day, result, sample) for day, result in failed for sample in result.samples]
    found = tuple(sorted(listed, key=lambda one: (one.stops, one.day), reverse=True)[:_LISTED])
    total = sum(result.unexpected or len(result.samples) for _, result in failed)
    if not judged:
        why = next((result.message for _, result in results if result.message), "no result is recorded")
        return Bands(f"not judged: {why}", "", (), 0)
    span = f"{days[0].day}" if len(days) == 1 else f"{days[0].day} to {days[-1].day}"
    if not total:
        return Bands(
            f"All shares, null rates, mean scores and categories of {span} are in their bands.", "good", (), 0
        )
    stops = any(result.stops for _, result in failed)
    words = f"{total} number{'s' if total > 1 else ''} of {span} beyond {'their bands' if total > 1 else 'its band'}"
    named = f"{', such as' if total > 1 else ':'} {found[0].words}" if found else ""
    return Bands(f"{words}{named}.", "bad" if stops else "held", found, total - len(found))


def _beyond(day: date, result: ExpectationResult, sample: dict[str, str]) -> Beyond:
    measure = result.name.removesuffix("_steady").removesuffix("_as_usual").replace("_", " ")
    low, high = sample.get("lowest", "–"), sample.get("highest", "–")
    band = f"at most {high}" if low in {"None", "–"} else f"{low} to {high}"
    return Beyond(
        day=day,
        measure=f"{result.table}: {measure}",
        domain=sample.get("domain", "–"),
        subject=sample.get("subject", "–"),
        observed=sample.get("observed", "–"),
        usual=sample.get("usual", "–"),
        band=band,
        stops=result.stops,
    )


def level(report: EvaluationReport) -> tuple[LevelRow, ...]:
    """Task by task, on the same rows; nothing where the champion was not compared."""
    if "champion" not in report.predictors:
        return ()
    rows = []
    for where in report.aggregates:
        own, champion = (report.get(name, where) for name in (report.candidate, "champion"))
        if own.mean_prediction and champion.mean_prediction and own.mean_teacher:
            rows.append(LevelRow(where.task, own.mean_prediction, champion.mean_prediction, own.mean_teacher))
    return tuple(rows)


def _short(value: str | None) -> str:
    """A value of a preset, or its beginning."""
    text = "not there" if value is None else value
    return text if len(text) <= _VALUE else f"{text[: _VALUE - 1]}…"


def _manifest(workspace: Workspace, champion: str) -> ModelManifest | None:
    try:
        return Registry(workspace.root).manifest(champion)
    except (RegistryError, BundleError):
        return None


def _differing(
    workspace: Workspace, before: Made, own: Made
) -> tuple[tuple[Difference, ...] | None, tuple[str, ...]]:
    """How the two were made; a champion that was damaged since is a note, as the page is about the candidate."""
    try:
        return differing(workspace, before, own), ()
    except BundleError as error:
        return None, (f"how it was made can't be compared: {error}",)


def _notes(before: Made, own: Made) -> Iterator[str]:
    for name, side in (("the champion", before), ("this run", own)):
        if side.origin is None:
            yield f"preset and format numbers of {name}: not recorded (its run's record is gone, or older)"
        elif not side.origin.sql or not side.origin.expectations:
            yield f"SQL and expectations of {name}: not recorded (an older record)"
