"""Decisions about redemptions: features over history, a policy of rules, a model, and what they come to."""
