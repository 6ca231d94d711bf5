"""What must stay closed: sealed fields, blind indexes, and the authority without which nothing opens."""
