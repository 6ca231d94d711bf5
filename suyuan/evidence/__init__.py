"""What anyone can check: a public log of salted commitments to history, its witnesses, and proofs to carry away.

| part | what | imports |
|---|---|---|
| `check` | what a stranger checks with, offline | the standard library |
| `log` | one shard as files: writing, proving, examining, rebuilding | `check` |
| `records` | what an event is in the log, kept in the database, opened member by member | history, the vault |
| `witness` | who cosigns that a log only grows | `check`, `log.note` |
| `bundle` | what is taken away: records, proofs and papers in one file | all of these |
"""
