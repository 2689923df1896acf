"""MTMD beside other libraries' multi-task models, on the same rows: `python -m benchmarks.peers`.

`features` turns our batches into the peers' inputs, `rechub` and `deepctr` hold one library each, `catalogue` says
which peers there are and what they need, `train` trains one as MTMD is trained, `table` writes the comparison.
"""
