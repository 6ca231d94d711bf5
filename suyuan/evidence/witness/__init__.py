"""Witnesses: who has seen a log only grow signs that it has, and remembers."""
