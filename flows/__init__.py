"""Prefect flows: wiring only. A task body calls one `mtmd` function and renders what it returned."""

import os

# Prefect reads its settings when first imported, so this is the one place that can promise that
# nothing leaves the machine and that a busy one gets time to start the embedded server.
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
