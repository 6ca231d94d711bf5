"""The one place that chooses and wires: which processes run, what each of them carries."""
