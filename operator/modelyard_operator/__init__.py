"""The operator: reconciles ModelDeployments into Deployments and Services of the runtime image."""
