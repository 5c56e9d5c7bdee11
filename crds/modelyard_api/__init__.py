"""The Modelyard API in Python: the ModelDeployment object and the contracts between the parts."""
