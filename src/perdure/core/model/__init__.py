"""What the server knows: invocations, journals, timers, promises, deployments, log records."""
