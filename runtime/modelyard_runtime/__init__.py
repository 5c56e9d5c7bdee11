"""The runtime: one process that serves one model by several protocols."""
