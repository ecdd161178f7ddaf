"""This computer as a provider: a machine is a process tree, storage is a directory."""
