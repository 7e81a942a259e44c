"""The server: settings, and the one place that puts everything together."""
