"""One self-contained HTML page per run, made from `ReportInputs`: no network, no script, light and dark."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import reduce

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mtmd.abtest.outcome import ABTest
from mtmd.config import GatesConfig, Slice
from mtmd.evaluate.replay_report import ReplayReport
from mtmd.evaluate.report import EvaluationReport
from mtmd.export.parity import ParityReport
from mtmd.extract.shards import Days
from mtmd.promote.gates import Verdict
from mtmd.registry.records import ModelManifest
from mtmd.report.page import calibration, comparisons
from mtmd.report.page.ab_test import ab_test_view
from mtmd.report.page.charts import line_chart, scientific
from mtmd.report.page.quality import quality, short
from mtmd.report.page.replay import replay_view
from mtmd.report.page.towers import TowerMeans, tower_view
from mtmd.report.page.verdict import brief, details, headline, rival_tables
from mtmd.train.results import FitResult
from mtmd.validate.results import DayValidation, WindowValidation


@dataclass(frozen=True)
class ReportInputs:
    """A run's results.

    left_out      days between the window's first and the held-out one that it does not use, and why
    words         what came of it
    live          model id of the champion after the run
    fits          training of each model, by the predictor's name
    trained       key of each of them
    config        digest of the whole preset
    days          the shards of the window and of the held-out day
    traces        of the query and of the item tower
    ablations     the candidate against its variants, a report per training seed; empty when none were trained
    untrained     variants that are not among them, and why
    variants      key of each model of the ablations
    tested        the simulated A/B of the candidate, where one was run
    """

    as_of: date
    preset: str
    left_out: Mapping[date, str]
    words: str
    verdict: Verdict
    live: str | None
    evaluation: EvaluationReport
    replay: ReplayReport
    gates: GatesConfig
    fits: Mapping[str, FitResult]
    trained: Mapping[str, str]
    config: str
    validations: tuple[DayValidation | WindowValidation, ...]
    days: Days
    manifest: ModelManifest
    parity: ParityReport
    traces: tuple[TowerMeans, TowerMeans]
    ablations: tuple[EvaluationReport, ...] = ()
    untrained: tuple[str, ...] = ()
    variants: Mapping[str, str] = field(default_factory=dict)
    tested: ABTest | None = None


@dataclass(frozen=True)
class Tile:
    """A number or a few words that a reader sees first; kind is good, bad or empty."""

    name: str
    words: str
    kind: str = ""


def render_report(inputs: ReportInputs) -> str:
    """The page's HTML; the same inputs give the same bytes."""
    environment = Environment(
        loader=PackageLoader("mtmd.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    report = inputs.evaluation
    return environment.get_template("page.html").render(
        run=inputs,
        report=report,
        headline=headline(inputs.verdict, inputs.live),
        words=reduce(lambda words, gate: brief(words, gate, 1), inputs.verdict.gates, inputs.words),
        gates=list(details(inputs.verdict)),
        tiles=list(_tiles(inputs)),
        rivals=list(rival_tables(inputs.verdict)),
        rivals_map=comparisons.rivals_map(report),
        worth=comparisons.worth(report),
        slice_maps=list(comparisons.slice_maps(report)),
        bucket_maps=list(comparisons.bucket_maps(report)),
        ablation_maps=list(comparisons.ablation_maps(inputs.ablations)),
        panels=list(calibration.panels(report)),
        replay=replay_view(inputs.replay),
        tested=None if inputs.tested is None else ab_test_view(inputs.tested, inputs.verdict),
        curves={name: _curves(name, fit) for name, fit in inputs.fits.items()},
        towers=[tower_view(means) for means in inputs.traces],
        quality=quality(inputs.validations, inputs.days),
        short=short,
        scientific=scientific,
    )


def _tiles(inputs: ReportInputs) -> Iterator[Tile]:
    gates, report = inputs.verdict.gates, inputs.evaluation
    passed = sum(gate.passed for gate in gates)
    whole = passed == len(gates)
    yield Tile("gates", f"{passed} of {len(gates)} pass", "good" if whole else "bad")
    for name in ("champion", "per_slice", "pooled"):
        if name not in report.predictors:
            yield Tile(f"against the {comparisons.RIVAL_NAMES[name]}", "not compared")
            continue
        found = comparisons.standing(report, name)
        kind = "bad" if found.behind else "good" if found.ahead else ""
        yield Tile(f"against the {comparisons.RIVAL_NAMES[name]}", found.words, kind)
    yield Tile("mean prediction / mean teacher", _calibration(inputs))
    bad = [one.title for one in inputs.validations if not one.passed]
    yield Tile("data", "all suites hold" if not bad else f"{', '.join(bad)} failed", "bad" if bad else "good")


def _calibration(inputs: ReportInputs) -> str:
    """The range over the slices that the calibration gate judged."""
    report = inputs.evaluation
    judged = {
        Slice(one.surface, one.product, one.task)
        for gate in inputs.verdict.gates
        if gate.name == "calibration"
        for one in gate.slices
        if one.judged
    }
    ratios = [
        report.get(report.candidate, where).teacher_calibration for where in report.slices if where in judged
    ]
    found = [ratio for ratio in ratios if ratio is not None]
    return f"{min(found):.2f} to {max(found):.2f} in {len(found)} judged slices" if found else "not judged"


def _curves(name: str, fit: FitResult) -> Markup:
    curves = {
        "train": [epoch.train_loss for epoch in fit.epochs],
        "validation": [epoch.validation_loss for epoch in fit.epochs],
    }
    chart = line_chart(f"{name}: weighted KL, nats", "epoch", curves, best=fit.best_epoch, width=460)
    return Markup(chart)
