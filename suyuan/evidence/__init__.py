"""What anyone can check: a public log of salted commitments to history, its witnesses, and proofs to carry away."""
