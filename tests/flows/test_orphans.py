"""What a killed backfill leaves: nothing."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.flows.runs import ROOT

pytestmark = pytest.mark.slow

# A pool that has tried a day of a backfill, as Prefect's does it, says its process, and waits for another day.
POOL = """
import multiprocessing, sys, time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from mtmd.flows.backfill import retrain_day
def a_day():
    retrain_day.fn(date(2026, 1, 25), {"unknown": 0})
if __name__ == "__main__":
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        error = pool.submit(a_day).exception()
        print(type(error).__name__, *pool._processes, flush=True)
        time.sleep(300)
"""


def test_a_process_of_a_killed_backfill_ends(tmp_path: Path) -> None:
    (tmp_path / "pool.py").write_text(POOL)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(tmp_path / "pool.py")]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        process.kill()
    error, pid = said.split()
    child = psutil.Process(int(pid))
    try:
        assert error == "ParameterBindError"
        child.wait(timeout=30)
    finally:
        if child.is_running():
            child.kill()
