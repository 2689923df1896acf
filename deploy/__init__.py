"""Running the flows: a Prefect server, worker and deployments on this machine, and the server's automations.

Not installed with the library: it works on a checkout, whose prefect.yaml it deploys.
"""
