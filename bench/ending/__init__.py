"""How soon a machine is ended once its work is over."""
