"""The words that all parts share: money, time, ids, refusals, one byte encoding, cryptography, and the database.

It imports nothing of ours, and its list of modules is fixed: a new word for everybody is a decision, not a convenience.
`tests/test_tidy.py` holds the list.
"""
