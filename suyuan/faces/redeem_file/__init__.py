"""Sells a file of cards through the API of a running platform; `suyuan redeem` is its command.

The reader's way: `flaws` and `cards` (what a file may hold) → `journal` (what survives a kill) → `sell` → `result`.
"""
