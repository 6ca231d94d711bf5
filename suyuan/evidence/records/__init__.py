"""What an event is in the log: a digest of salted commitments, kept with what opens it, and opened member by member."""
