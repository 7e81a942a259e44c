"""The server's half of an attempt: what goes out, what is accepted, and how it ends."""
