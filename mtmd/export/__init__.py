"""From a trained model to a proven bundle: ONNX files, parity, a fresh process (design §8)."""

from mtmd.export.bundle import EXPORT_FORMAT, bundle_id, export_bundle
from mtmd.export.fresh_answer import check_answers
from mtmd.export.fresh_process import FreshProcessReport, check_fresh_process
from mtmd.export.parity import check_parity
from mtmd.export.parity_report import DayParity, FileParity, ParityReport
from mtmd.export.raw_rows import RawRows, sample_raw_rows
from mtmd.export.shard_scores import score_shard

__all__ = [
    "EXPORT_FORMAT",
    "DayParity",
    "FileParity",
    "FreshProcessReport",
    "ParityReport",
    "RawRows",
    "bundle_id",
    "check_answers",
    "check_fresh_process",
    "check_parity",
    "export_bundle",
    "sample_raw_rows",
    "score_shard",
]
