"""All tasks, by name."""

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.tasks import (
    automatic_speech_recognition,
    embeddings,
    fill_mask,
    image_classification,
    object_detection,
    predict,
    question_answering,
    rerank,
    summarization,
    text_classification,
    text_generation,
    token_classification,
    translation,
    zero_shot_classification,
)
from modelyard_runtime.tasks.spec import TaskSpec

SPECS: dict[Task, TaskSpec] = {
    module.SPEC.task: module.SPEC
    for module in (
        text_generation,
        embeddings,
        rerank,
        fill_mask,
        text_classification,
        token_classification,
        question_answering,
        summarization,
        translation,
        zero_shot_classification,
        image_classification,
        object_detection,
        automatic_speech_recognition,
        predict,
    )
}
