"""What every protocol calls: find the model, admit, compute, account. Nothing about HTTP."""

import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any, cast

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.domain import Chunk, Continuation, GenerateRequest, ModelInfo, Signature
from modelyard_runtime.engine.base import BatchEngine, Generation, GenerationEngine
from modelyard_runtime.errors import (
    InvalidRequest,
    NotSupported,
    Overloaded,
    Unavailable,
    UnknownModel,
)
from modelyard_runtime.interleaving import interleave
from modelyard_runtime.lifecycle import Lifecycle
from modelyard_runtime.metering import current_usage
from modelyard_runtime.metrics import Metrics
from modelyard_runtime.tasks.attribution import EXPLAINED, ToExplain

#: Of a client's name for a model, in an error; gRPC's clients refuse one of many KiB.
_MAX_NAME = 256


class Answer:
    """The chunks of admitted generations, read once; it counts the tokens that pass.

    The choices of the i-th generation are numbered from `i * n`.
    """

    def __init__(
        self,
        generations: Sequence[Generation],
        *,
        choices_each: int,
        adapter: str,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self.prompt_tokens = sum(generation.prompt_tokens for generation in generations)
        self.completion_tokens = 0
        self._adapter = adapter
        self._generations = generations
        self._choices_each = choices_each
        self._metrics = metrics
        self._clock = clock
        self._admitted_at = clock()
        self._usage = current_usage()
        self._usage.add(prompt_tokens=self.prompt_tokens)
        metrics.count_prompt_tokens(self.prompt_tokens, adapter=adapter)

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Yield every chunk as it comes."""
        async with aclosing(self._merged()) as merged:
            is_first = True
            async for chunk in merged:
                if is_first:
                    self._metrics.observe_first_token(self._clock() - self._admitted_at)
                    is_first = False
                self.completion_tokens += chunk.tokens
                self._metrics.count_completion_tokens(chunk.tokens, adapter=self._adapter)
                self._usage.add(completion_tokens=chunk.tokens)
                yield chunk

    async def _merged(self) -> AsyncGenerator[Chunk, None]:
        if len(self._generations) == 1:
            async for chunk in self._generations[0]:
                yield chunk
            return
        streams = [aiter(generation) for generation in self._generations]
        async with aclosing(interleave(streams)) as items:
            async for i, chunk in items:
                yield replace(chunk, index=i * self._choices_each + chunk.index)


class InferenceService:
    """The model of this process, as protocols see it."""

    def __init__(
        self,
        life: Lifecycle,
        metrics: Metrics,
        *,
        routes: Mapping[Task, Sequence[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._life = life
        self._metrics = metrics
        self._routes = routes
        self._clock = clock

    @property
    def model_name(self) -> str:
        """What clients call the model."""
        return self._life.config.model_name

    @property
    def adapter_names(self) -> tuple[str, ...]:
        """What clients call the adapters of the model."""
        return tuple(adapter.name for adapter in self._life.config.adapters)

    @property
    def task(self) -> Task:
        """What the model does.

        Raises:
            Unavailable: no requests are taken now.
        """
        return self._open_engine().info.task

    @property
    def info(self) -> ModelInfo:
        """What is known of the model.

        Raises:
            Unavailable: no requests are taken now.
        """
        return self._open_engine().info

    @property
    def signature(self) -> Signature | None:
        """The tensors of a `predict` model that takes tensors; None where it takes any JSON.

        Raises:
            NotSupported: the model does another task than `predict`.
            Unavailable: no requests are taken now.
        """
        return cast(BatchEngine, self._engine_for(Task.PREDICT)).signature

    def check_task(self, task: Task) -> None:
        """Refuse what the model does not do.

        Raises:
            NotSupported: the model does another task.
        """
        self._engine_for(task)

    def check_model(self, name: str) -> None:
        """Refuse a name that is neither this model's nor an adapter's; use goes to its account.

        Raises:
            UnknownModel: it is another model's.
        """
        adapters = self.adapter_names
        if name != self.model_name and name not in adapters:
            others = f", with the adapters {', '.join(adapters)}" if adapters else ""
            raise UnknownModel(
                f"The model {name[:_MAX_NAME]!r} is not served here; this is "
                f"{self.model_name!r}{others}.",
                param="model",
            )
        current_usage().model = name

    def find_adapter(self, name: str | None) -> str:
        """Return the adapter that a request means by this name, nothing for the model's own.

        Raises:
            UnknownModel: it is another model's.
        """
        if name is None:
            return ""
        self.check_model(name)
        return "" if name == self.model_name else name

    @asynccontextmanager
    async def generate(self, requests: Sequence[GenerateRequest]) -> AsyncIterator[Answer]:
        """Admit all of the requests or none; leaving gives up what is not finished.

        All requests ask for the same number of choices, and for the same adapter or none.
        """
        engine = cast(GenerationEngine, self._engine_for(Task.TEXT_GENERATION))
        async with AsyncExitStack() as stack:
            generations: list[Generation] = []
            for request in requests:
                generation = await _submit(engine, request, before=len(generations))
                stack.push_async_callback(generation.aclose)
                generations.append(generation)
            answer = Answer(
                generations,
                choices_each=requests[0].n,
                adapter=requests[0].adapter,
                metrics=self._metrics,
                clock=self._clock,
            )
            yield answer

    async def run(self, task: Task, items: Sequence[Any], *, adapter: str = "") -> list[Any]:
        """Return the result of each item, in order; the task says what both are.

        Raises:
            NotSupported: the model does another task.
        """
        if task is Task.TEXT_GENERATION:
            return await self._continue(items, adapter)
        engine = cast(BatchEngine, self._engine_for(task))
        results = await engine.run(items)
        tokens = sum(result.tokens for result in results)
        # Most tasks only read.
        made = sum(getattr(result, "completion_tokens", 0) for result in results)
        self._metrics.count_prompt_tokens(tokens)
        self._metrics.count_completion_tokens(made)
        usage = current_usage()
        usage.add(prompt_tokens=tokens, completion_tokens=made, units={"items": len(items)})
        for result in results:
            usage.add(units=getattr(result, "units", None))
        return results

    def check_explained(self) -> Task:
        """Return the model's task, if its answers can be explained.

        Raises:
            NotSupported: they cannot; it says why.
        """
        engine = self._open_engine()
        task = engine.info.task
        if task not in EXPLAINED:
            able = " and ".join(task.value for task in EXPLAINED)
            raise NotSupported(
                f"The model {self.model_name!r} does {task.value}, and only answers of {able} can "
                f"be explained; it is served at {', '.join(self._routes[task])}."
            )
        why = cast(BatchEngine, engine).unexplained
        if why:
            raise NotSupported(why, code="not_explainable")
        return task

    async def explain(self, item: Any, *, label: str, steps: int) -> Any:
        """Return which parts of an item a score comes from; no label is the best one.

        Raises:
            NotSupported: answers of this model cannot be explained.
        """
        engine = cast(BatchEngine, self._engine_for(self.check_explained()))
        if not label:
            (answer,) = await engine.run([item])
            label = next(iter(answer.scores))
        (explained,) = await engine.run([ToExplain(item, label, steps)])
        self._metrics.count_prompt_tokens(explained.tokens)
        current_usage().add(
            prompt_tokens=explained.tokens, units={"items": 1, "explanation_steps": steps}
        )
        return explained

    async def _continue(self, items: Sequence[GenerateRequest], adapter: str) -> list[Continuation]:
        name = uuid.uuid4().hex
        requests = [
            replace(item, id=f"{name}-{i}", adapter=adapter) for i, item in enumerate(items)
        ]
        texts = ["" for _ in requests]
        tokens = [0 for _ in requests]
        async with self.generate(requests) as answer, aclosing(answer.chunks()) as chunks:
            async for chunk in chunks:
                texts[chunk.index] += chunk.text
                tokens[chunk.index] += chunk.tokens
        return [Continuation(*each) for each in zip(texts, tokens, strict=True)]

    def _engine_for(self, task: Task) -> GenerationEngine | BatchEngine:
        """Return the engine if the model does this; its task tells which kind of engine it is."""
        engine = self._open_engine()
        if engine.info.task is not task:
            routes = ", ".join(self._routes[engine.info.task])
            raise NotSupported(
                f"The model {self.model_name!r} does {engine.info.task.value}, "
                f"not {task.value}; it is served at {routes}."
            )
        return engine

    def _open_engine(self) -> GenerationEngine | BatchEngine:
        engine = self._life.engine
        if not self._life.engine_alive:
            raise Unavailable("The model's engine has died; the process is being replaced.")
        if self._life.admitting and engine is not None:
            return engine
        if self._life.is_stopping:
            raise Unavailable("This process is shutting down; try again for another one.")
        raise Unavailable("The model is still being loaded.", code="model_loading")


async def _submit(engine: GenerationEngine, request: GenerateRequest, *, before: int) -> Generation:
    """Submit one of several requests; `before` of them are inside already."""
    try:
        return await engine.submit(request)
    except Overloaded as fault:
        if before == 0 or engine.load.running + engine.load.waiting > before:
            raise
        # Nobody else is inside, so there will never be more room: trying again is no use.
        raise InvalidRequest(
            f"The request has more prompts than this model takes at once; it has room for {before} "
            f"with n={request.n}. Send them in several requests.",
            param="prompt",
        ) from fault
