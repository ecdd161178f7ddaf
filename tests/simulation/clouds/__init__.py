"""The whole node on an emulated cloud in virtual time, under faults drawn from a seed: what every cloud shares."""
