"""How many pods a model has where the operator decides it, and who else may."""
