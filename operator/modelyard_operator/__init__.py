"""The operator: reconciles ModelDeployments into Deployments and Services of the runtime image."""

__version__ = "0.1.0"
