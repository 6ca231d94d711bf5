"""Policies: rules in a file, checked before they decide anything, and compiled once for the line and for columns."""
