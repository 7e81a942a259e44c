"""Reaching services: one module a transport."""
