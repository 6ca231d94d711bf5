"""The world: operators, payout channels, identity checks, webhooks, and a sandbox that plays them all over HTTP.

An adapter carries a dialogue that another part wrote and decides nothing itself. What it cannot find out it calls
unknown, never failed.
"""
