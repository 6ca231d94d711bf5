"""One file, one story: what happens to a card, a payment, a seller, in numbered steps.

A flow opens each part once and in order, and holds no SQL, no arithmetic and no rule. It carries the world on a desk
that `app` has laid, so the same story runs in production, in the simulator and in a test.
"""
