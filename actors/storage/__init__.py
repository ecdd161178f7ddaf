"""Storage: who may touch which key, job folders, and the actor that keeps data sets, models and predictions."""
