"""Benchmarks: Perdure beside its peers, and Perdure at scale."""
