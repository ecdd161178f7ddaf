"""The training program and the inspection of data sets.

``inspection`` and what it imports (``dialect table values profile target families parameters``) use the standard
library alone and start fast, because they run beside the daemon before any money is spent. ``frame pipeline estimators
evaluation bundle`` and the main program load pandas and scikit-learn, and run on the machine.
"""
