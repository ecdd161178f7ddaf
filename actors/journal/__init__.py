"""The journal: append-only streams of events, the fence of every decision, and the read models beside it."""
