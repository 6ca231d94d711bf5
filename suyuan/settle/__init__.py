"""Money: who may ask, how much, for which card, and what the books say afterwards.

The rules are pure functions over a working set that the line has loaded; nothing here does I/O or reads a clock. The
Protocols of operators and payout channels live here, with the part that needs them, and `outside` implements them.
"""
