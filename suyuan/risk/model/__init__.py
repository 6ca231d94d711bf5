"""The model: trees that estimate, from features and facts, how likely a redemption turns out bad.

It is trained from history with the delay after which labels are known (`examples`, `training`), says on a card what it
was trained on and what it reached (`card`), scores one attempt in tens of microseconds (`scorer`), and tells when the
world is no longer the one that it was trained in (`drift`). A model is text (`forest`), known by its digest.
"""
