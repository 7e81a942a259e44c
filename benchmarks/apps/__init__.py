"""The same handlers, once for each kind of system under measurement."""
