"""tokenize: texts as the tokens of a language model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from datajob.operators.base import Map
from datajob.operators.strings.tokenizers import TokenizerPath
from datajob.parameters import Column, FilePath, NewColumn, TokenColumns

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch


SLICE_BYTES = 1 << 20
"""Text that is encoded at once. The library needs about 25 times as much memory while it does so."""


class Tokenize(Map):
    """Encode texts or conversations as token ids, for training.

    The ids are a column `list<int32>`. Texts are encoded as a whole, without truncation. Special tokens that occur in a text,
    such as `<|endoftext|>`, are encoded like other text by default, so that a document cannot end another one.

    With `messages`, the column contains conversations (a list of `role` and `content`). The chat template of the tokenizer
    turns them into text. `lossMask` is 1 for the tokens of the assistant, including its end of turn, and 0 for all others. A
    conversation fails if its template changes earlier messages when a message is added, or if a message contains a special
    token. Requires the packages `tokenizers` and, for `messages`, `jinja2`.

    Example:

        - tokenize: {tokenizer: s3://models/llama, eos: "<|end_of_text|>"}
        - tokenize: {tokenizer: s3://models/llama, messages: messages, lossMask: loss_mask}
    """

    tokenizer: TokenizerPath = Field(description="Path or URL of a `tokenizer.json` or of its folder.")
    column: Column | None = Field(default=None, description="Text column; `text` if there is no `messages`. Null stays null.")
    messages: Column | None = Field(default=None, description="Column of conversations, instead of a text column.")
    output: NewColumn = Field(default="input_ids", description="Column for the token ids (list of int32).")
    loss_mask: NewColumn | None = Field(
        default=None, description="For `messages`: column for 1 (train on the token) or 0, one value per token (list of int8)."
    )
    source: Column | None = Field(
        default=None, description="Column with the source of a row; the report then contains the tokens of each source."
    )
    bos: str | None = Field(default=None, min_length=1, description="Token to put before each text.")
    eos: str | None = Field(default=None, min_length=1, description="Token to put after each text, such as `<|endoftext|>`.")
    add_special_tokens: bool = Field(
        default=False, description="Add the tokens that the tokenizer adds by itself, such as `[CLS]` and `[SEP]`."
    )
    special_tokens: Literal["text", "tokens"] = Field(
        default="text", description="How special tokens in the data are encoded: as text, or as the tokens that they name."
    )
    chat_template: FilePath | None = Field(
        default=None,
        description="File with a chat template (Jinja). By default, `chat_template.jinja` or `tokenizer_config.json` of the "
        "folder of the tokenizer.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.column is not None and self.messages is not None:
            raise ValueError("use either `column` or `messages`")
        if self.messages is None and (self.loss_mask or self.chat_template):
            raise ValueError("`lossMask` and `chatTemplate` require `messages`")
        if self.messages is not None and (self.bos or self.eos or self.add_special_tokens):
            raise ValueError(
                "with `messages`, the chat template adds special tokens; remove `bos`, `eos` and `addSpecialTokens`"
            )
        return self

    def inputs(self) -> tuple[str, ...]:
        """The texts or the conversations, and the source."""
        return (self._text(), *((self.source,) if self.source else ()))

    def _text(self) -> str:
        return self.messages or self.column or "text"

    def counted_tokens(self) -> TokenColumns:
        """The tokens of all rows."""
        return TokenColumns(self.output, self.source)

    def identity(self) -> Any:
        """Also the files next to the tokenizer that contain the chat template."""
        if self.messages is None:
            return super().identity()
        from datajob.operators.text._chat import template_identity

        return [super().identity(), template_identity(self.tokenizer)]

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the tokens, and the mask."""
        from datajob.operators.strings.column import with_column

        if self.messages is None:
            return with_column(batch.table, self.output, self._of_texts(batch))
        from datajob.operators.text._chat import ChatTokenizer

        chat = ChatTokenizer.load(self.tokenizer, self.chat_template, self.special_tokens == "tokens", self.key)
        tokens, masks = chat.encode(batch, self.messages)
        table = with_column(batch.table, self.output, tokens)
        return with_column(table, self.loss_mask, masks) if self.loss_mask else table

    def _of_texts(self, batch: Batch) -> pa.Array[Any]:
        import pyarrow as pa

        from datajob.operators.strings.column import text_array
        from datajob.operators.strings.tokenizers import load_literal_tokenizer, load_tokenizer, token_id
        from datajob.operators.text._token_lists import slices, token_lists

        load = load_tokenizer if self.special_tokens == "tokens" else load_literal_tokenizer
        tokenizer = load(self.tokenizer, self.key)
        before = [token_id(self.tokenizer, self.bos, self.key)] if self.bos else []
        after = [token_id(self.tokenizer, self.eos, self.key)] if self.eos else []

        def encode(text: pa.Array[Any]) -> pa.Array[Any]:
            texts = text.fill_null("").to_pylist()
            encoded = tokenizer.encode_batch_fast(texts, add_special_tokens=self.add_special_tokens)
            return token_lists([one.ids for one in encoded], text.is_valid(), before, after)

        return pa.concat_arrays([encode(part) for part in slices(text_array(batch, self._text()), SLICE_BYTES)])
