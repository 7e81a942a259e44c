"""The door for callers: HTTP requests become invocations, results become responses."""
