"""CostLedger: prices, estimates, budgets, reservations, accruals, settlement. One writer of the stream ``ledger``."""
