"""Who decides: the runtime, the journal, and one module or folder per actor."""
