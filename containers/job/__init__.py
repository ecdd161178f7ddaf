"""The wrapper: the first process of every machine, standard library only, Python 3.9 or newer, one zipapp."""
