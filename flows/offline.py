"""Switches that keep libraries from calling home, and proxies from standing before this very machine.

Import it before Prefect; what the user set stays.
"""

from __future__ import annotations

import os

from tasks.clients import proxies

SWITCHES = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "ponens",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",  # a promotion by hand is no flow run
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # flows/crash_watch.py calls who is silent for long crashed
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",  # 20 by default, too few on a busy machine
    "LANGSMITH_TRACING": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # else eight processes wait for jobs that nobody sends
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}

for name, value in SWITCHES.items():
    os.environ.setdefault(name, value)
os.environ.update(proxies.settled(os.environ))
