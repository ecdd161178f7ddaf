"""What the start and the end of a small training cost."""
