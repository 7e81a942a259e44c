"""The engine: a partition's loop, its leader, timers, attempts and the registry."""
