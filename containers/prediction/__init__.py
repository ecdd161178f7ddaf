"""The prediction program: a model bundle and a file of rows in, the same rows with predictions out."""
