"""Folders of small classifiers of pictures with random weights, and pictures for them."""

import torch
import transformers

from tests.support.media_files import draw

LABELS = {number: f"kind {number}" for number in range(5)}
PICTURES = [draw(40 + 13 * (seed % 5), 30 + 29 * (seed % 3), seed=seed) for seed in range(16)]


def write_vit(folder):
    config = transformers.ViTConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        id2label=LABELS,
        initializer_range=0.3,
    )
    processor = transformers.ViTImageProcessorPil(size={"height": 32, "width": 32})
    return _write(folder, transformers.ViTForImageClassification(config), processor)


def write_resnet(folder):
    config = transformers.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16],
        depths=[1, 1],
        layer_type="basic",
        id2label=LABELS,
    )
    # Scales the shorter side and cuts out the middle, as ResNets are served.
    processor = transformers.ConvNextImageProcessorPil(size={"shortest_edge": 48})
    model = transformers.ResNetForImageClassification(config)
    _spread_answers(model.eval(), model.classifier[1], processor)
    return _write(folder, model, processor)


@torch.no_grad()
def _spread_answers(model, head, processor):
    """Scale the last layer so that pictures are told apart: random layers make the same of all."""
    logits = model(**processor(images=PICTURES, return_tensors="pt")).logits
    head.bias.copy_((head.bias - logits.mean(0)) / logits.std(0))
    head.weight.div_(logits.std(0).unsqueeze(1))


def _write(folder, model, processor):
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
