"""What a policy would have decided: over history, or over a table that somebody else has kept."""
