"""Base of the steps whose model computes a vector per image: decoding in the isolated process, batching, resumption.

A vector is an embedding, or the probabilities of classes. Each image and each text is a separate request, so that an
image that cannot be decoded does not affect the others of its row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import Field

from datajob.errors import InputError
from datajob.media.image import MAX_PIXELS
from datajob.media.values import MediaValue, accepts, flat, is_list, is_null, item_counts, media_values
from datajob.operators.base import Batch, Inferred, ModelOutputCache, Order
from datajob.operators.inference._engines.base import Answer, Options, Request, RequestError
from datajob.operators.inference._model_step import ModelStep
from datajob.operators.inference._pixels import ModelPixels
from datajob.operators.inference._tiles import Tiles, content_digest, unpacked, with_tiles
from datajob.parameters import Column

if TYPE_CHECKING:
    from concurrent.futures import Future

    import pyarrow as pa

    from datajob.operators.inference._engines.images import ImageEngine

T = TypeVar("T")
PIECE_ROWS = 64
"""Rows whose images are decoded at once, while the model processes those of the rows before."""
_OPTIONS = Options(chat=False)


@dataclass
class Vectors:
    """The vectors of the images and texts of a row, or why there is none."""

    images: list[Any] = field(default_factory=list)
    """Without the nulls of a list of images."""
    exists: list[bool] | None = None
    """Whether each value of a list of images is one; None for a column without lists."""
    texts: list[Any] = field(default_factory=list)

    def value(self, found: Sequence[T]) -> T | list[T | None] | None:
        """The value of the row for what was found for its images: a list for a list of images, with null for each null."""
        if self.exists is None:
            return found[0] if found else None
        one = iter(found)
        return [next(one) if exists else None for exists in self.exists] if found or not any(self.exists) else None


@dataclass
class _Asked:
    """Requests for the images and texts of some rows."""

    rows: list[Vectors]
    """`images` and `texts` contain keys until the answers are there."""
    futures: dict[str, Future[Answer]] = field(default_factory=dict)
    known: dict[str, Any] = field(default_factory=dict)
    """Vectors, and the errors of images that cannot be decoded."""
    reused: int = 0


class ImageModel(ModelStep):
    """Base of the steps whose model computes a vector per image."""

    abstract: ClassVar[bool] = True

    column: Column = Field(
        default="image",
        description="Column with an image or a list of images. An image is encoded bytes, a path or URL, or a struct of both.",
    )
    folder: str | None = Field(default=None, min_length=1, description="Base folder or URL of relative paths.")
    max_pixels: int = Field(
        default=MAX_PIXELS, ge=1, le=2_000_000_000, description="Maximum number of pixels of an image. Larger ones fail."
    )
    batch_rows: int | None = Field(
        default=None,
        ge=1,
        le=65_536,
        description="Maximum number of images per batch. By default, 256 on accelerators, 16 on CPUs.",
    )

    def compared_texts(self, batch: Batch) -> list[list[str] | RequestError] | None:
        """The texts of each row to compare with its images; None if there are none."""
        return None

    def finish(self, batch: Batch, rows: Sequence[Vectors], model: ImageEngine) -> Inferred:
        """The columns for the vectors of the rows."""
        raise NotImplementedError

    def item_columns(self) -> tuple[str, Order]:
        """All columns that it writes."""
        return self.column, self.written()

    def prepare(self, batch: Batch, preparation: Any) -> pa.Table:
        """The images as the pixels that the model reads."""
        column = batch.array(self.column)
        if not accepts(column.type):
            return batch.table
        items = flat(column) if is_list(column.type) else column
        here = [at for at, value in enumerate(_values(items)) if value.data is not None]
        found = self._decoded(items, here, preparation.plan)
        pixels = iter(tiles if isinstance(tiles := found[at], Tiles) else None for at in here)
        new = with_tiles(column, lambda _: next(pixels))
        return batch.table.set_column(batch.table.column_names.index(self.column), self.column, new)

    def infer(self, batch: Batch, model: ImageEngine, cache: ModelOutputCache | None = None) -> Inferred:
        """Decode the images of some rows while the model processes those of the rows before."""
        rows: list[Vectors] = []
        reused = 0
        waiting: _Asked | None = None
        for start in range(0, len(batch), PIECE_ROWS):
            asked = self._ask(Batch(batch.table.slice(start, PIECE_ROWS)), model, cache)
            if waiting is not None:
                rows += self._collect(waiting, model, cache)
            waiting, reused = asked, reused + asked.reused
        rows += self._collect(waiting, model, cache) if waiting is not None else []
        found = self.finish(batch, rows, model)
        return Inferred(found.columns, found.failed, reused)

    def _ask(self, batch: Batch, model: ImageEngine, cache: ModelOutputCache | None) -> _Asked:
        known = {} if cache is None else cache.known
        asked = _Asked([])
        requests: dict[str, Request] = {}
        images = self._images(batch, model, known, requests, asked.known)
        texts = self.compared_texts(batch) or [[] for _ in images]
        lists = is_list(batch.array(self.column).type)
        for keys, row_texts in zip(images, texts, strict=True):
            row = Vectors([key for key in keys if key], [bool(key) for key in keys] if lists else None)
            for text in row_texts if isinstance(row_texts, list) else ():
                key = "text " + hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
                row.texts.append(key)
                if key not in known:
                    requests[key] = Request(text, _OPTIONS)
            if isinstance(row_texts, RequestError):
                row.texts = [row_texts]
            asked.rows.append(row)
        for row in asked.rows:
            needed = [key for key in (*row.images, *row.texts) if isinstance(key, str)]
            asked.known |= {key: known[key]["vector"] for key in needed if key in known}
            asked.reused += bool(needed) and all(key in known for key in needed)
        asked.futures = dict(zip(requests, model.submit(list(requests.values())), strict=True))
        return asked

    def _images(
        self, batch: Batch, model: ImageEngine, known: Any, requests: dict[str, Request], found: dict[str, Any]
    ) -> list[list[str]]:
        """The keys of the images of each row, empty for the nulls of a list.

        Adds the requests for images that are not known, and the errors of others.
        """
        column = batch.array(self.column)
        if not accepts(column.type) and not is_null(column.type):
            raise InputError(
                f"column `{self.column}` contains {column.type}, but `{self.key}` needs images: encoded bytes, paths, "
                "structs of both, or lists of these."
            )
        lists = is_list(column.type)
        items = flat(column) if lists else column
        keys: list[str | None] = []
        todo: list[int] = []
        for at, value in enumerate(_values(items)):
            key = None if value.data is None else f"{self.max_pixels} {_digest(value.data)}"
            if lists and value.missing:
                key = ""
            elif key is None or (key not in known and not self._recalled(key, model, found)):
                todo.append(at)
            keys.append(key)
        for at, pixels in self._decoded(items, todo, model.preparation.plan).items():
            keys[at] = keys[at] or f"item {at}"
            if isinstance(pixels, RequestError):
                found[str(keys[at])] = pixels
            else:
                keys[at] = f"{self.max_pixels} {pixels.digest.hex()}"
                requests[str(keys[at])] = Request("", _OPTIONS, (pixels,))
        ends = iter(keys)
        counts = item_counts(column) if lists else [1] * len(column)
        return [[next(ends) or "" for _ in range(count)] for count in counts]

    def _recalled(self, key: str, model: ImageEngine, found: dict[str, Any]) -> bool:
        """Whether the model has processed an image a moment ago, for another step."""
        vector = model.recall(key)
        if vector is not None:
            found[key] = vector
        return vector is not None

    def _decoded(self, items: pa.Array, positions: Sequence[int], plan: Any) -> dict[int, Tiles | RequestError]:
        """The pixels of the images at some positions."""
        import pyarrow as pa

        chosen = items.take(pa.array(list(positions), pa.int64()))
        ready = [unpacked(value.data) for value in _values(chosen)]
        raw = [i for i, tiles in enumerate(ready) if tiles is None]
        step = ModelPixels(column=self.column, folder=self.folder, max_pixels=self.max_pixels, plan=plan)
        batch = Batch(pa.table({self.column: chosen.take(pa.array(raw, pa.int64()))}))
        signed = step.signed(batch) if raw else []
        found: dict[int, Tiles | RequestError] = {positions[i]: tiles for i, tiles in enumerate(ready) if tiles is not None}
        for at, (i, packed) in enumerate(zip(raw, signed, strict=True)):
            tiles = None if packed is None else unpacked(packed)
            found[positions[i]] = tiles or RequestError(batch.failures.get(at, "the image cannot be decoded"))
        return found

    def _collect(self, asked: _Asked, model: ImageEngine, cache: ModelOutputCache | None) -> list[Vectors]:
        """The vectors of the rows, in which the answers replace the keys."""
        import numpy as np

        new: dict[str, Any] = {}
        for key, future in asked.futures.items():
            try:
                answer = future.result()
            except RequestError as error:
                asked.known[key] = error
                continue
            asked.known[key] = answer.vector
            new[key] = asdict(answer)
            model.remember(key, answer.vector)
        if cache is not None and new:
            cache.store(new)

        def vector(key: Any) -> Any:
            found = asked.known[key] if isinstance(key, str) else key
            return found if isinstance(found, RequestError) else np.asarray(found, dtype=np.float32)

        return [
            Vectors([vector(key) for key in row.images], row.exists, [vector(key) for key in row.texts]) for row in asked.rows
        ]


def _values(items: pa.Array) -> list[MediaValue]:
    """The values of a column without lists."""
    return [value for value in media_values(items) if isinstance(value, MediaValue)]


def _digest(data: Any) -> str:
    tiles = unpacked(data)
    return (content_digest(bytes(data)) if tiles is None else tiles.digest).hex()
