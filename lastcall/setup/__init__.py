"""Makes an account ready: checks before it changes, asks before it spends, leaves nothing running."""
