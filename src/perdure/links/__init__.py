"""Connections between the processes that lead the partitions of one server."""
