"""Parts of flows on the workers of a Dask or Ray cluster: `MTMD_RUNNER=dask`, see docs/extras/clusters.md."""
