"""Makes small models of images with random weights, seeded, without the network: CLIP, SigLIP, classifiers, DINOv2, heads.

They load by the same classes and the same calls as the models on the Hugging Face Hub.
"""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

SIDE, PATCH = 32, 8
WORDS = [
    "a",
    "photo",
    "of",
    "cat",
    "dog",
    "flower",
    "temple",
    "dark",
    "bright",
    "small",
    "the",
    "and",
    "with",
    "screenshot",
    "document",
    "red",
    "green",
    "blue",
]
LAYERS: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
EMBEDDING = 24


def make_clip(folder: Path, seed: int = 0) -> Path:
    """A CLIP model with embeddings of EMBEDDING numbers."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    words = _tokenizer(16)
    ids = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    config = CLIPConfig(
        text_config={**LAYERS, **ids, "vocab_size": len(words), "max_position_embeddings": 16},
        vision_config={**LAYERS, "image_size": SIDE, "patch_size": PATCH},
        projection_dim=EMBEDDING,
    )
    processor = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    return _saved(folder, CLIPModel, config, processor, words, seed)


def make_siglip(folder: Path, seed: int = 0) -> Path:
    """A SigLIP model."""
    from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel

    words = _tokenizer(16)
    config = SiglipConfig(
        text_config={**LAYERS, "vocab_size": len(words), "max_position_embeddings": 16, "projection_size": 32},
        vision_config={**LAYERS, "image_size": SIDE, "patch_size": PATCH},
    )
    return _saved(folder, SiglipModel, config, SiglipImageProcessor(size={"height": SIDE, "width": SIDE}), words, seed)


def make_classifier(folder: Path, labels: tuple[str, ...] = ("normal", "nsfw"), seed: int = 0) -> Path:
    """A ViT that assigns probabilities to classes."""
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    names = dict(enumerate(labels))
    config = ViTConfig(
        **LAYERS, image_size=SIDE, patch_size=PATCH, id2label=names, label2id={name: i for i, name in names.items()}
    )
    return _saved(
        folder, ViTForImageClassification, config, ViTImageProcessor(size={"height": SIDE, "width": SIDE}), None, seed
    )


def make_dinov2(folder: Path, seed: int = 0) -> Path:
    """A DINOv2 model, which has no texts."""
    from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

    config = Dinov2Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, image_size=SIDE, patch_size=PATCH)
    processor = BitImageProcessor(size={"shortest_edge": SIDE + 6}, crop_size={"height": SIDE, "width": SIDE})
    return _saved(folder, Dinov2Model, config, processor, None, seed)


def make_head(file: Path, sizes: tuple[int, ...] = (EMBEDDING, 16, 8, 1), seed: int = 0) -> Any:
    """A head in the form of improved-aesthetic-predictor, saved to a file: the module."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    modules: list[Any] = []
    for inputs, outputs in pairwise(sizes):
        modules += [torch.nn.Linear(inputs, outputs), torch.nn.Dropout(0.2)]
    head = torch.nn.Module()
    head.layers = torch.nn.Sequential(*modules[:-1])
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.copy_(torch.randn_like(parameter))
    weights = {name: value.contiguous() for name, value in head.state_dict().items()}
    if file.suffix == ".safetensors":
        save_file(weights, file)
    else:
        torch.save(weights, file)
    return head.eval()


def _saved(folder: Path, kind: Any, config: Any, processor: Any, tokenizer: Any, seed: int) -> Path:
    import torch

    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    torch.manual_seed(seed)
    model = kind(config).eval()
    with torch.no_grad():  # wide weights: outputs depend on the image
        for name, weight in model.named_parameters():
            if weight.dim() >= 2 and "embedding" not in name:
                weight.copy_(torch.randn(weight.shape) * 1.5 / weight[0].numel() ** 0.5)
            if name == "logit_bias":
                weight.fill_(-0.5)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(longest: int) -> Any:
    """A tokenizer of words, which ends each text as that of CLIP."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<unk>", "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: i for i, word in enumerate([*special, *WORDS])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()  # type: ignore[assignment]
    inner.post_processor = processors.TemplateProcessing(  # type: ignore[assignment]
        single=f"{special[2]} $A {special[3]}", special_tokens=[(special[2], 2), (special[3], 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token=special[0], unk_token=special[1], bos_token=special[2], eos_token=special[3],
        model_max_length=longest,
    )  # fmt: skip
