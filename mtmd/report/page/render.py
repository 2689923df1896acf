"""One self-contained HTML page per run, made from `ReportInputs`: no network, no script, light and dark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import reduce

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mtmd.abtest.gate import AB_TEST
from mtmd.abtest.outcome import ABTest
from mtmd.config import Feature, GatesConfig
from mtmd.evaluate.replay_report import ReplayReport
from mtmd.evaluate.report import EvaluationReport
from mtmd.export.parity import ParityReport
from mtmd.extract.shards import Days
from mtmd.promote.counts import COUNTING
from mtmd.promote.gates import Verdict
from mtmd.promote.slice_gates import P_SHOWN
from mtmd.registry.records import ModelManifest
from mtmd.report.index.way import BEGIN, END
from mtmd.report.page import calibration, comparisons
from mtmd.report.page.calibration_strip import calibration_view
from mtmd.report.page.charts import decimal, loss, minus, percent, scientific
from mtmd.report.page.curves import replay_charts, training_chart
from mtmd.report.page.first_screen import data_words, noted, rival_rows
from mtmd.report.page.movers import movers
from mtmd.report.page.on_actions import action_rows
from mtmd.report.page.quality import observed, quality, short
from mtmd.report.page.towers import TowerMeans, gates_map, routing
from mtmd.report.page.trend import sparklines
from mtmd.report.page.verdict import brief, details, headline, rival_tables
from mtmd.report.standing import top_words
from mtmd.report.tables.ab_test import paper_tables, reference_tables, whole_tables
from mtmd.report.tables.cold import cold_advice, cold_gate_table, cold_words
from mtmd.report.tables.evaluation import Table, cold_table, explored_table
from mtmd.report.tables.replay import replay_slices_table, replay_table, replay_words
from mtmd.report.trend import TrendPoint
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
    start         what its training goes on from, in words; empty where all trainings are fresh
    past          the last runs of the line up to this one, which is the last
    since         what changed since the champion that it was compared with; None without one
    """

    as_of: date
    preset: str
    features: Sequence[Feature]
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
    start: str = ""
    past: tuple[TrendPoint, ...] = ()
    since: Table | None = None


# What the template calls, beside the values that it is given.
_FILTERS = (decimal, loss, minus, observed, percent, scientific, short)
_FUNCTIONS = (
    cold_advice,
    cold_gate_table,
    cold_table,
    cold_words,
    comparisons.ab_test_words,
    comparisons.joined,
    explored_table,
    gates_map,
    paper_tables,
    reference_tables,
    replay_charts,
    replay_slices_table,
    replay_table,
    replay_words,
    routing,
    training_chart,
    whole_tables,
)


def render_report(inputs: ReportInputs) -> str:
    """The page's HTML; the same inputs give the same bytes."""
    environment = Environment(
        loader=PackageLoader("mtmd.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {function.__name__: function for function in _FILTERS}
    environment.globals |= {function.__name__: function for function in _FUNCTIONS}
    report = inputs.evaluation
    action_rival, on_actions = action_rows(report)
    calibrated = calibration_view(report, inputs.verdict, inputs.gates)
    return environment.get_template("page.html").render(
        run=inputs,
        report=report,
        headline=headline(inputs.verdict, inputs.live, inputs.days, calibrated.champion_too),
        words=reduce(lambda words, gate: brief(words, gate, 1), inputs.verdict.gates, inputs.words),
        gates=list(details(inputs.verdict)),
        rival_rows=rival_rows(report, inputs.gates),
        movers=movers(report, inputs.verdict, inputs.gates),
        calibration_view=calibrated,
        action_rival=action_rival,
        action_rows=on_actions,
        data_words=list(data_words(inputs.validations, inputs.days)),
        noted=list(noted(inputs.verdict)),
        sparklines=list(sparklines(inputs.past, inputs.gates)),
        rivals=list(rival_tables(inputs.verdict)),
        rivals_map=comparisons.rivals_map(report),
        worth=comparisons.worth(report),
        slice_maps=list(comparisons.slice_maps(report)),
        top_words=top_words(report),
        top_map=comparisons.top_map(report),
        bucket_maps=list(comparisons.bucket_maps(report)),
        ablation_maps=list(comparisons.ablation_maps(inputs.ablations)),
        calibration=calibration.panels(report),
        quality=quality(inputs.validations, inputs.days),
        ab_test_gate=AB_TEST,
        counting=COUNTING,
        way=Markup(BEGIN + END),  # the index writes the links there
        p_shown=P_SHOWN,
    )
