"""A cloud in memory: it remembers, fails on order, obeys the injected clock and keeps books of its own."""
