"""The report of a run: one HTML page that says whether to trust a model, and the charts of the artifacts."""

from mtmd.report.charts import data_uri, line_chart
from mtmd.report.inputs import ReportInputs
from mtmd.report.page import render_report
from mtmd.report.traces import TowerMeans, trace_means

__all__ = [
    "ReportInputs",
    "TowerMeans",
    "data_uri",
    "line_chart",
    "render_report",
    "trace_means",
]
