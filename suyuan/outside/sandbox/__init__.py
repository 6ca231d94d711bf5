"""Twins of operators, channels, a face check, a number proof and a KMS: a real HTTP server that can misbehave.

| twin | kind | what it offers |
|---|---|---|
| cmcc, unicom | operator | cards, balances, reversals |
| telecom | operator | the same, and tells whether a card's secret is valid |
| bank_transfer · coupon_hall · points_bank | payout channel | money · coupon · points |
| face | face check | whether a capture shows a person |
| number | number proof | sends codes to phones; the tally shows them to whoever plays their holders |
| kms | OpenBao's transit engine | wraps and unwraps the keys of the vault's epochs |

It speaks `outside/protocol.py` to the platform, and on `/control` to whoever plays the world: cards are issued, spent
behind the platform's back, faults are set, and `GET /control/tally` tells the truth. What it promises:

1. It checks the platform's real signature on every request, and does an order once per number. (The KMS checks a
   token instead, as the real one does.)
2. What it answered stays true after `kill -9`: a journal line is written before the answer leaves. (Not after a power
   failure; it is a twin for tests and demos.)
3. Faults are drawn from a seed, the order's number and how often it came – never from the order of arrival.
4. It listens on the loopback only, because its control side has no lock.

The reader's way: `facts` (what can happen, and the journal) → `world` (the providers' rules) → `faults` → `server`;
`control` is the other side's client and starts the whole as a process.
"""

from suyuan.outside.sandbox.server import run

__all__ = ["run"]
