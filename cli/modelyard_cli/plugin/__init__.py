"""`kubectl modelyard`: what models do on a cluster, for people."""
