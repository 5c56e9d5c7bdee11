"""Starts the engine that a model needs: vets and loads the folder on the engine's own thread."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelyard_api.serving import ServingConfig
from modelyard_api.v1alpha1 import Task
from modelyard_runtime.capacity import Capacity
from modelyard_runtime.engine.base import BatchEngine, GenerationEngine
from modelyard_runtime.engine.worker import Core, Worker
from modelyard_runtime.loading.adapter_vetting import vet_adapters
from modelyard_runtime.loading.combinations import check_adapters, check_combination, check_optimize
from modelyard_runtime.loading.compiler import find_compiler
from modelyard_runtime.loading.detection import detect
from modelyard_runtime.loading.faults import translated_load_errors
from modelyard_runtime.loading.memory import require_library_memory
from modelyard_runtime.loading.program_vetting import vet_program
from modelyard_runtime.loading.registry import LOADERS, Wanted, import_function
from modelyard_runtime.loading.vetting import vet_folder

AnyEngine = GenerationEngine | BatchEngine
#: What is built on the thread: the core that stays there, and what makes the engine around it.
Built = tuple[Core[Any], Callable[[Worker[Any]], AnyEngine]]

# What builds the engine around a loaded model; imported on use, since it imports torch.
_BUILD_GENERATION = "modelyard_runtime.engine.backends.builders:build_generation"
_BUILD_BATCH = "modelyard_runtime.engine.backends.builders:build_batch"
_OPTIMIZE = "modelyard_runtime.engine.backends.optimizing:optimize"
# A thread that has done its share of an operation sleeps until the next instead of spinning. On a
# machine to itself spinning is a fifth faster; beside other busy processes, which is how pods
# live, the spinning threads take the processor from those still at work, and a step took 500 ms
# instead of 77 (measured: SmolLM2, two threads, two cores shared with a compiler).
_DEFAULTS = {"OMP_WAIT_POLICY": "PASSIVE"}
_PREPARE = "modelyard_runtime.engine.backends.threads:prepare_thread"
# Read by the libraries when they are imported: nothing comes from the network, tokenizers start no
# threads beside ours, and the log is ours.
_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "KERAS_BACKEND": "torch",
    # Keras writes its settings into a folder; this is none.
    "KERAS_HOME": os.devnull,
}


async def start_engine(config: ServingConfig, capacity: Capacity) -> GenerationEngine | BatchEngine:
    """Load the model and return its engine.

    Raises:
        CannotStart: with a reason and a hint.
    """
    os.environ.update(_DEFAULTS | dict(os.environ) | _ENVIRONMENT)
    loop = asyncio.get_running_loop()
    worker: Worker[Any] = Worker("model")
    make_engine = await worker.start(lambda: _build(config, capacity, loop))
    return make_engine(worker)


def _build(config: ServingConfig, capacity: Capacity, loop: asyncio.AbstractEventLoop) -> Built:
    # Vetting first: it imports no model library, so a bad folder is refused within a second.
    folder = vet_folder(Path(config.model_path), form=config.format, entrypoint=config.entrypoint)
    detected = detect(folder, config.task, config.format, config.entrypoint)
    check_combination(detected, config.dtype, allow_code=config.allow_code)
    names = [adapter.name for adapter in config.adapters]
    check_adapters(detected, config.model_name, names, config.optimize)
    check_optimize(detected, config.optimize, config.device)
    if config.optimize.compile:
        # Read when torch is imported.
        os.environ.update(find_compiler(os.environ))
    vet_program(folder, detected, capacity.memory_bytes)
    adapters = vet_adapters(config.adapters)
    memory_bytes = capacity.memory_bytes
    wanted = Wanted(folder, detected, config.dtype, memory_bytes, config.device, adapters)
    require_library_memory(capacity.memory_bytes)
    with translated_load_errors():
        import_function(_PREPARE)(capacity.threads)
        loaded = import_function(LOADERS[detected.format])(wanted)
        if config.optimize.steps:
            loaded = import_function(_OPTIMIZE)(loaded, config.optimize)
        generates = detected.task is Task.TEXT_GENERATION
        build = import_function(_BUILD_GENERATION if generates else _BUILD_BATCH)
        built: Built = build(loaded, config.model_name, capacity, loop)
    return built
