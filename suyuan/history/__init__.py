"""The one memory: every fact an event, one line that appends them, and a store that replays them."""
