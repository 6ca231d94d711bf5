"""What is taken away: records, proofs and papers in one file, stamped by a third party."""
