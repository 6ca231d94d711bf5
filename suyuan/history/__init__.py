"""The one memory: every fact is an event, appended by one writer, in one order, and never changed.

`seq` starts at 0 and has no gaps and `at` strictly increases, so "before this event" means the same everywhere. All
changes of state pass through the line here; nothing else may append.
"""
