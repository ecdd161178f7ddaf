"""What computes on a graphics card, on one."""
