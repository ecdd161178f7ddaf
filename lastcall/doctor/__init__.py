"""Looks at everything Lastcall rests on, and says how to put right what is not: ``lastcall doctor``."""
