"""A batch engine that keeps the items it is given, and answers each with a result of the test."""

from collections.abc import Sequence

import orjson

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.tasks.table import SPECS
from tests.support.fake_engine import FakeEngine, build_info


class ScriptedItems(FakeEngine):
    """Answers every item with the same result; an exception is raised instead."""

    def __init__(self, task: Task, result: object) -> None:
        super().__init__(build_info(task))
        self.items: list[object] = []
        self.result = result

    def sample(self) -> object:
        spec = SPECS[self.info.task]
        return spec.to_items(spec.request.model_validate_json(orjson.dumps(spec.example)))[0]

    async def run(self, items: Sequence[object]) -> list[object]:
        self.items += items
        if isinstance(self.result, Exception):
            raise self.result
        return [self.result for _ in items]
