"""Defects to be planted, by the part of the code that they are in."""
