"""The whole node on an emulated RunPod in virtual time, under faults drawn from a seed."""
