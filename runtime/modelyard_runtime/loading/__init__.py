"""From a model folder to a model in memory: vet, detect, load."""
