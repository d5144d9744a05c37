"""Makes LLaVA-NeXT models with random weights, seeded, without the network.

Run `python -m tests.support.models.llava FOLDER [--size mid]`.


A folder made here loads by the same classes and the same calls as llava-hf/llama3-llava-next-8b-hf: anyres grid, `<image>`
tokens, Llama 3 chat template.
"""

from __future__ import annotations

import argparse
import os
import pydoc_data.topics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATCH = 14
SPECIAL = ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<pad>", "<image>")
BEGIN, END, PAD, IMAGE = SPECIAL[0], "<|eot_id|>", "<pad>", "<image>"
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if loop.first %}<|begin_of_text|>{% endif %}"
    "<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] if part['type'] == 'image' %}<image>\n{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}{% endif %}"
    "<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)


@dataclass(frozen=True)
class Shape:
    """Sizes of a model."""

    tile: int
    """Pixels of a side of a tile."""
    vocabulary: int
    vision: dict[str, int]
    text: dict[str, int]


SHAPES = {
    "tiny": Shape(
        56, 1024,
        {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4},
        {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
         "num_key_value_heads": 1},  # heads of 32: vLLM has no smaller ones on the CPU
    ),
    "mid": Shape(
        112, 4096,
        {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 6, "num_attention_heads": 8},
        {"hidden_size": 512, "intermediate_size": 1536, "num_hidden_layers": 8, "num_attention_heads": 8,
         "num_key_value_heads": 4},
    ),
    "full": Shape(  # LLaVA-NeXT with Mistral 7B: 14 GB in float16, made on a GPU by `benchmarks.gpu`
        336, 32_000,
        {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16},
        {"hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32, "num_attention_heads": 32,
         "num_key_value_heads": 8},
    ),
}  # fmt: skip


def make_llava(folder: Path, size: str = "tiny", seed: int = 0) -> Path:
    """Make a model of a size in `folder` and return it; the same seed gives the same weights."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    shape = SHAPES[size]
    tokenizer = _tokenizer(shape.vocabulary)
    model = _model(shape, tokenizer, seed)
    model.save_pretrained(folder)
    _name_weights_as_the_hub(folder / "model.safetensors")
    _processor(shape, tokenizer).save_pretrained(folder)
    return folder


def _name_weights_as_the_hub(file: Path) -> None:
    """Models on the hub were saved by an older transformers; vLLM reads its names only."""
    from safetensors.torch import load_file, save_file

    old, new = "vision_tower.", "vision_tower.vision_model."
    weights = load_file(file)
    named = {name if name.startswith(new) else name.replace(old, new, 1): weight for name, weight in weights.items()}
    save_file(named, file, metadata={"format": "pt"})


def make_llama(folder: Path, seed: int = 0, size: str = "tiny") -> Path:
    """Make the language model of a size alone."""
    tokenizer = _tokenizer(SHAPES[size].vocabulary)
    tokenizer.chat_template = CHAT_TEMPLATE
    model = _model(SHAPES[size], tokenizer, seed)
    from transformers import LlamaForCausalLM

    text = LlamaForCausalLM(model.config.text_config).eval()
    text.model.load_state_dict(model.model.language_model.state_dict())
    text.lm_head.load_state_dict(model.lm_head.state_dict())
    text.generation_config = model.generation_config
    text.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(vocabulary: int) -> Any:
    """Byte-level BPE trained on the documentation that comes with Python."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    inner.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    topics = pydoc_data.topics.topics
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL],
    )
    inner.train_from_iterator((topics[name] for name in sorted(topics)), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=["<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", IMAGE],
        padding_side="left",
        model_max_length=8192,
    )


def _model(shape: Shape, tokenizer: Any, seed: int) -> Any:
    import torch
    from transformers import CLIPVisionConfig, GenerationConfig, LlamaConfig, LlavaNextConfig, LlavaNextForConditionalGeneration

    ids = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    text = LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=8192, tie_word_embeddings=False, **ids, **shape.text)
    projection = shape.vision["hidden_size"]
    vision = CLIPVisionConfig(image_size=shape.tile, patch_size=PATCH, projection_dim=projection, **shape.vision)
    config = LlavaNextConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        image_grid_pinpoints=_grid(shape.tile),
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        image_seq_length=(shape.tile // PATCH) ** 2,
    )
    torch.manual_seed(seed)
    model = LlavaNextForConditionalGeneration(config).eval()
    _spread_logits(model, seed + 1)
    model.generation_config = GenerationConfig(do_sample=False, **ids)
    return model


def _spread_logits(model: Any, seed: int) -> None:
    """Wide weights: logits far apart and dependent on the image, so that greedy answers differ and ties are rare."""
    import torch

    device = model.lm_head.weight.device
    chance = torch.Generator(device).manual_seed(seed)
    silent = len(SPECIAL) + 256  # special tokens and single bytes are never said: every answer is text of full length
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() >= 2 and "layernorm" not in name and "embed" not in name:
                weight.copy_(torch.randn(weight.shape, generator=chance, device=device) / weight[0].numel() ** 0.5)
        words = model.model.language_model.embed_tokens.weight
        words.copy_(torch.randn(words.shape, generator=chance, device=device))
        model.model.image_newline.copy_(torch.randn(model.model.image_newline.shape, generator=chance, device=device))
        for linear in (model.model.multi_modal_projector.linear_1, model.model.multi_modal_projector.linear_2, model.lm_head):
            linear.weight.mul_(2.0)
        model.lm_head.weight[:silent] = 0.0


def _processor(shape: Shape, tokenizer: Any) -> Any:
    from transformers import LlavaNextImageProcessor, LlavaNextProcessor

    tile = shape.tile
    images = LlavaNextImageProcessor(
        size={"shortest_edge": tile}, crop_size={"height": tile, "width": tile}, image_grid_pinpoints=_grid(tile)
    )
    return LlavaNextProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    )


def _grid(tile: int) -> list[list[int]]:
    """The resolutions of LLaVA-NeXT (336, 672, 1008), scaled."""
    return [[tile, 2 * tile], [2 * tile, tile], [2 * tile, 2 * tile], [3 * tile, tile], [tile, 3 * tile]]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", default="tiny", choices=SHAPES)
    parser.add_argument("--seed", default=0, type=int)
    arguments = parser.parse_args()
    print(make_llava(arguments.folder, arguments.size, arguments.seed))
