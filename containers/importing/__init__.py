"""The importing program: an older product's pickles in, a model bundle out. Only ``sandbox`` ever loads one."""
