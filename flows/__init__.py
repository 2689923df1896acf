"""Prefect flows: wiring only. A task body calls one `mtmd` function and renders what it returned."""

import os

# Read when prefect and torch are first imported, so they are set here: nothing leaves the machine, a busy one gets
# time to start the embedded server, and threads that wait for each other sleep (docs/lab/decisions.md).
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
for _name in ("no_proxy", "NO_PROXY"):  # servers of a run are on this machine, which no proxy reaches
    if (_given := os.environ.get(_name, "")) != "*":
        os.environ[_name] = f"{_given},127.0.0.1"
