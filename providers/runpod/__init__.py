"""RunPod: pods for trainings, a network volume for data. Facts about the platform carry their fact sheet section."""
