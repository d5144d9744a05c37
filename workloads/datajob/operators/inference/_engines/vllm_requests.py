"""Requests as vLLM reads them: tokens, pixels and sampling parameters."""

from __future__ import annotations

from typing import Any

from datajob.media.errors import MediaError
from datajob.operators.inference._engines.base import InvalidImage, Request
from datajob.operators.inference._engines.prompting import Prompter, check_length
from datajob.operators.inference._engines.schemas import guided
from datajob.operators.inference._engines.serving import GenerationRequest
from datajob.operators.media.image import decode


class VllmPrompts:
    """Writes the prompts of one model."""

    def __init__(self, engine: Any, processor: Any, vision: bool) -> None:
        self.longest = int(engine.model_config.max_model_len)
        self._renderer = engine.renderer
        self._prompter = Prompter(processor, vision)
        self._counts_images = hasattr(processor, "_get_num_multimodal_tokens")
        """Whether the processor counts the tokens of images without decoding them."""

    def render(self, request: Request) -> Any:
        """The tokens and pixels for the scheduler. Raises RequestError.

        Tokens instead of text, because vLLM would add the first token of the tokenizer to a text again.
        """
        o = request.options
        ids = self._prompter.prompt(request).ids
        check_length(len(ids), o.max_new_tokens, self.longest)
        given: dict[str, Any] = {"prompt_token_ids": list(ids)}
        if request.images:
            try:
                given["multi_modal_data"] = {"image": [decode(i, o.max_pixels, o.folder) for i in request.images]}
            except MediaError as error:
                raise InvalidImage(error) from error
        (rendered,) = self._renderer.render_cmpl([given])
        check_length(len(rendered["prompt_token_ids"]), o.max_new_tokens, self.longest)
        return rendered

    def length(self, request: Request) -> int:
        """The number of tokens of the prompt and its images. Raises RequestError."""
        if request.images and not self._counts_images:
            return len(self.render(request)["prompt_token_ids"])
        tokens = self._prompter.length(request)
        check_length(tokens, request.options.max_new_tokens, self.longest)
        return tokens


def repetition_penalty(engine: Any) -> float:
    """The repetition penalty in the generation config of the model."""
    return float(engine.model_config.get_diff_sampling_param().get("repetition_penalty", 1.0))


def sampling(request: Request, penalty: float) -> dict[str, Any]:
    """Arguments of `vllm.SamplingParams`. Like transformers: the repetition penalty of the model applies, its temperature does
    not."""
    o = request.options
    return {
        "max_tokens": o.max_new_tokens,
        "temperature": o.temperature,
        "top_p": o.top_p,
        "top_k": o.top_k,
        "repetition_penalty": penalty,
        "seed": request.seed if o.temperature > 0 else None,
        "detokenize": False,  # incremental detokenization withholds incomplete characters, unlike the tokenizer
    }


def served_sampling(request: GenerationRequest, row: Request, penalty: float) -> dict[str, Any]:
    """Arguments of `vllm.SamplingParams` for one of the answers to an online request, of which `row` has the seed.

    Stop texts are found in the text that is sent, because vLLM finds them only if it decodes the tokens.
    """
    return {
        **sampling(row, penalty),
        "logprobs": request.logprobs,
        "frequency_penalty": request.frequency_penalty,
        "presence_penalty": request.presence_penalty,
    }


def structure(schema: Any) -> dict[str, Any] | None:
    """Arguments of `vllm.sampling_params.StructuredOutputsParams` for JSON on one line; None for text. Raises
    InvalidSchema."""
    return None if schema is None else {"json": guided(schema)}
