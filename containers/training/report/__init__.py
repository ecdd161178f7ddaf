"""What a training shows people: plots, the report page and the model card, all made from the same numbers."""
