"""`python -m modelyard_runtime`: serve the model that MODELYARD_CONFIG describes."""

import os

from modelyard_api.serving import ServingConfig
from modelyard_runtime.capacity import read_capacity
from modelyard_runtime.engine.base import BatchEngine, GenerationEngine
from modelyard_runtime.engine.start import start_engine
from modelyard_runtime.launch import launch


async def _start(config: ServingConfig) -> GenerationEngine | BatchEngine:
    return await start_engine(config, read_capacity())


if __name__ == "__main__":
    launch(os.environ, _start)
