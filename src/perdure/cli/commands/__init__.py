"""The commands that talk to a server, a module for each group or for each large one of a group."""
