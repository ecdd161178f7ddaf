"""What runs on the rented machine: the wrapper (``job``), the training program and the prediction program.

Nothing here knows the daemon. ``job`` uses the standard library alone; ``training`` and ``prediction`` add the
scientific libraries, and load them only where they are needed.
"""
