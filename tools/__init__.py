"""What ``./dev`` runs beside the well-known tools. Not in the wheel."""
