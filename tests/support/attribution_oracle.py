"""Attributions by captum, of a model folder loaded by transformers, one input at a time."""

from dataclasses import dataclass

import captum.attr
import torch
import transformers


@dataclass(frozen=True)
class Expected:
    """`parts` of a text: one number for each token; of a picture: shape (height, width)."""

    label: str
    score: float
    baseline_score: float
    parts: torch.Tensor
    delta: float


class TextOracle:
    """Every token of the text is the blank one in the baseline, what is added around it stays."""

    def __init__(self, folder, blank):
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self._model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
        self._blank = self._tokenizer.convert_tokens_to_ids(blank)
        self.labels = list(self._model.config.id2label.values())

    def score(self, ids):
        return _score(self._model, self._model(ids, torch.ones_like(ids)).logits)

    def explain(self, text, *, steps, label=None):
        encoded = self._tokenizer(text, return_special_tokens_mask=True, return_tensors="pt")
        ids = encoded["input_ids"]
        special = encoded["special_tokens_mask"].bool()
        baseline = torch.where(special, ids, torch.full_like(ids, self._blank))
        with torch.no_grad():
            scores, zeros = self.score(ids)[0], self.score(baseline)[0]
        target = int(scores.argmax()) if label is None else self.labels.index(label)
        method = captum.attr.LayerIntegratedGradients(
            self.score, self._model.get_input_embeddings()
        )
        found, delta = method.attribute(
            ids,
            baseline,
            target=target,
            n_steps=steps,
            method="gausslegendre",
            return_convergence_delta=True,
        )
        parts = found[0].sum(dim=-1)[~special[0]]
        return Expected(
            self.labels[target], float(scores[target]), float(zeros[target]), parts, float(delta)
        )


class PictureOracle:
    """The baseline is zero in the numbers that the processor makes."""

    def __init__(self, folder):
        loading = transformers.AutoImageProcessor.from_pretrained
        self._processor = loading(folder, backend="pil")
        self._model = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()
        self.labels = list(self._model.config.id2label.values())

    def score(self, pixels):
        return _score(self._model, self._model(pixels).logits)

    def explain(self, picture, *, steps, label=None):
        pixels = self._processor(images=[picture], return_tensors="pt")["pixel_values"]
        with torch.no_grad():
            scores, zeros = self.score(pixels)[0], self.score(torch.zeros_like(pixels))[0]
        target = int(scores.argmax()) if label is None else self.labels.index(label)
        found, delta = captum.attr.IntegratedGradients(self.score).attribute(
            pixels,
            target=target,
            n_steps=steps,
            method="gausslegendre",
            return_convergence_delta=True,
        )
        parts = found[0].sum(dim=0)
        return Expected(
            self.labels[target], float(scores[target]), float(zeros[target]), parts, float(delta)
        )


def _score(model, logits):
    if model.config.num_labels == 1 or model.config.problem_type == "multi_label_classification":
        return logits.sigmoid()
    return logits.softmax(dim=-1)
