"""The partition's state machine: a record goes in, tables change, actions come out."""
