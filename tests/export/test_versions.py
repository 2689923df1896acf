import re

import torch

from mtmd.export.stage import git_commit, package_versions


def test_versions_of_what_decides_the_numbers_are_told() -> None:
    versions = package_versions()
    assert {"python", "torch", "numpy", "duckdb", "onnx", "onnxruntime"} <= set(versions)
    assert versions["torch"].split("+")[0] == torch.__version__.split("+")[0]


def test_the_commit_is_a_full_hash_or_nothing() -> None:
    commit = git_commit()
    assert commit is None or re.fullmatch(r"[0-9a-f]{40}(-dirty)?", commit)
