"""The pure half of the server: values in, values out; no I/O, no clock, no chance."""
