"""A Prefect server, a worker, the deployments and the report pages on this machine: `mtmd up`, `mtmd down`."""
