"""Logs, stores and the folder they live in: adapters of the engine's storage ports."""
