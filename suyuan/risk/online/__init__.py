"""Features in the line: windows over what has happened, kept in memory and moved on by each row."""
