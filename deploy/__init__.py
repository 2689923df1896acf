"""Running the flows on this machine: a Prefect server, a worker, the deployments and the report pages.

Not installed with the library: it works on a checkout, whose prefect.yaml it deploys.
"""
