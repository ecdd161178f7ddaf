"""The whole node on an emulated AWS in virtual time, under faults drawn from a seed."""
