"""SQL over what the engine knows: tables declared once, read from one consistent view.

The SQL engine and Arrow are loaded with :mod:`perdure.query.session`, on the first query; nothing
else here imports them.
"""
