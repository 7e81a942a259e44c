"""The tables of a partition: typed rows over ordered bytes, with changes gathered in memory.

The machine reads and writes rows as values; a row is encoded once, when the gathered changes go to
the store. Rows that come and go in between never reach it.

Each table's keys begin with a tag of one byte, then (where the table has one) the partition key, so
that a range of partition keys is one range a table.
"""
