"""Examples of what Perdure does, one story a module; each runs as it stands."""
