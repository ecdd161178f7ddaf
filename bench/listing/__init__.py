"""What one look at many machines costs: reading RunPod's list, and judging it."""
