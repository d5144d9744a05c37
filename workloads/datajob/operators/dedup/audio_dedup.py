"""audioDedup: reject recordings that repeat others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from datajob.operators.dedup._against import ColumnDedup, corpus_reader
from datajob.operators.media.audio_steps import MAX_SECONDS
from datajob.operators.packages import require
from datajob.parameters import Column

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class AudioDedup(ColumnDedup):
    """Reject recordings that are equal or similar to another recording.

    | Method | Duplicates |
    |---|---|
    | `samples` | Recordings with the same decoded samples, sample rate and channels, regardless of format and tags |
    | `fingerprint` | Recordings whose fingerprints have at least a share of `similarity` of equal bits |

    A fingerprint has 32 bits for every 46 ms, from the energies of bands between 300 and 2000 Hz (Haitsma and Kalker 2002). It
    tolerates compression, other sample rates, changes of volume, and moderate noise. Recordings are aligned before they are
    compared; parts that only one of them has count as different. The same music or the same recorded sentence is found, but
    not the same sentence in two recordings. Different recordings have a similarity of 0.5 to 0.7. Strongly compressed copies,
    below about 32 kbit/s, can be missed. Recordings that are silent or shorter than 1.3 seconds have no fingerprint and are
    kept: use `silenceRatio`, or `samples` before it.

    A recording is rejected only if it is a duplicate of one that is kept. `keep` is the preference: the `first` recording, the
    `longest`, or the `best`, which has the highest number in the column `by`. Recordings of an existing corpus (`against`) are
    preferred to all others. Only hashes move between workers.

    Example:

        - audioDedup: {}
        - audioDedup: {method: fingerprint, keep: longest}
        - audioDedup: {method: fingerprint, keep: best, by: sampleRate, against: s3://lake/published/}
    """

    links: ClassVar[bool] = True
    rows_at_a_time: ClassVar[int | None] = 64

    column: Column = Field(default="audio", description="Column with audio: encoded bytes, a path or URL, or a struct of both.")
    method: Literal["samples", "fingerprint"] = Field(default="samples", description="What recordings are compared by.")
    similarity: float = Field(
        default=0.8, ge=0.75, le=1, description="Minimum share of equal bits of duplicates for `fingerprint`."
    )
    keep: Literal["first", "longest", "best"] = Field(default="first", description="The recording to keep.")
    by: Column | None = Field(default=None, description="Column of numbers for `keep: best`.")
    folder: str | None = Field(default=None, min_length=1, description="Base folder or URL of relative paths.")
    max_duration: float = Field(
        default=MAX_SECONDS, gt=0, le=10 * MAX_SECONDS, description="Maximum number of seconds to decode; longer audio fails."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.keep == "best") != (self.by is not None):
            raise ValueError("`by` is the column for `keep: best`; set both or neither")
        return self

    def resolved(self) -> Self:
        """The step itself. Raises InvalidJob if a package that it needs is not installed."""
        require(self._signature().required(), self.key)
        return self

    def side_sources(self) -> tuple[Any, ...]:
        """The existing corpus."""
        return corpus_reader(self.against, self.inputs())

    def cost_unknown(self) -> bool:
        """It decodes audio."""
        return True

    def confirms(self) -> bool:
        """Whether more than the order of rows decides which recording is kept."""
        return self.keep != "first" or self.method == "fingerprint"

    def signatures(self, batch: Batch) -> pa.Table:
        """The hash of each recording; or the key frames of its fingerprint, with the frames near each."""
        import numpy as np

        from datajob.operators.dedup._audio_prints import HASH_BYTES
        from datajob.operators.dedup._near_hashes import near_signatures

        found = self._prints(batch)
        if self.method == "fingerprint":
            return self._key_signatures(found)
        rows = [row for row, value in enumerate(found) if value is not None]
        hashes = np.frombuffer(b"".join(found[row][0] for row in rows), np.uint8).reshape(len(rows), HASH_BYTES)
        return near_signatures(hashes, np.array(rows, dtype=np.int64), 8 * HASH_BYTES, 0)

    def _key_signatures(self, found: list[Any]) -> pa.Table:
        import numpy as np

        from datajob.operators.dedup._fingerprints import CONTEXT_BITS, contexts, key_frames
        from datajob.operators.dedup._linking import key_table, mixed
        from datajob.operators.dedup._near_hashes import with_words

        prints = [(row, value[0]) for row, value in enumerate(found) if value is not None]
        places = [key_frames(one) for _, one in prints]
        keys = [one.frames[at] for (_, one), at in zip(prints, places, strict=True)]
        near = [contexts(one.frames, at) for (_, one), at in zip(prints, places, strict=True)]
        rows = np.repeat(np.array([row for row, _ in prints], np.int64), [len(at) for at in places])
        table = key_table(mixed(np.concatenate([*keys, np.zeros(0, np.uint32)]).astype(np.uint64), 0)[:, None], rows)
        return with_words(table, np.concatenate([*near, np.zeros((0, CONTEXT_BITS // 64), np.uint64)]))

    def resolve(self, signatures: pa.Table) -> pa.Table:
        """Edges between recordings with equal hashes, or with a key frame and frames near it in common."""
        import numpy as np

        from datajob.operators.dedup._audio_prints import HASH_BYTES
        from datajob.operators.dedup._fingerprints import CONTEXT_LIMIT
        from datajob.operators.dedup._linking import groups_of
        from datajob.operators.dedup._media import repeats
        from datajob.operators.dedup._near_hashes import link_near_hashes, words_of
        from datajob.operators.kernels.hamming import first_kept

        if self.method == "samples":
            return link_near_hashes(signatures, 8 * HASH_BYTES, 0)
        signatures, groups = groups_of(signatures)
        links = np.full(signatures.num_rows, -1, np.int64)
        first_kept(words_of(signatures), groups, np.zeros(len(links), bool), CONTEXT_LIMIT, links)
        return repeats(signatures, links).group_by(["row", "kept"]).aggregate([])

    def evidence(self, batch: Batch) -> pa.Table:
        """The preference of each row and, for `fingerprint`, its fingerprint and the positions of its key frames."""
        import numpy as np
        import pyarrow as pa

        from datajob.operators.dedup._fingerprints import key_frames
        from datajob.operators.ranks import numbers

        preferences = np.zeros(len(batch)) if self.by is None else numbers(batch, self.by, self.key)
        found = self._prints(batch) if self.method == "fingerprint" or self.keep == "longest" else []
        if self.keep == "longest":
            preferences = np.array([np.nan if value is None else value[1] for value in found], np.float64)
        columns = {"preference": pa.array(preferences)}
        if self.method == "fingerprint":
            prints = [None if value is None else value[0] for value in found]
            columns["frames"] = pa.array([[] if one is None else one.frames for one in prints], pa.large_list(pa.uint32()))
            columns["keys"] = pa.array([[] if one is None else key_frames(one) for one in prints], pa.list_(pa.int64()))
        return pa.table(columns)

    def confirm(self, evidence: pa.Table) -> pa.Table:
        """The recordings that are duplicates of one that is kept."""
        from datajob.operators.dedup._media import first_of_each, in_order_of_preference, repeats

        evidence, groups = in_order_of_preference(evidence)
        if self.method == "samples":
            return repeats(evidence, first_of_each(groups))
        return repeats(evidence, self._similar(evidence, groups))

    def _similar(self, evidence: pa.Table, groups: NDArray[np.int64]) -> NDArray[np.int64]:
        """The position of the recording that is kept for each one that is similar to it, and -1."""
        import numpy as np

        from datajob.operators.dedup._fingerprints import Kept

        frames, keys = evidence.column("frames"), evidence.column("keys")
        rows = evidence.column("row").to_numpy()
        found = np.full(len(rows), -1, np.int64)
        for start, end in zip(groups[:-1].tolist(), groups[1:].tolist(), strict=True):
            kept, places = Kept(self.similarity), list[int]()
            for at in range(start, end):
                values: tuple[Any, Any] = (frames[at].values.to_numpy(), keys[at].values.to_numpy())
                like = None if rows[at] < 0 else kept.like(*values)
                if like is None:
                    kept.add(*values)
                    places.append(at)
                else:
                    found[at] = places[like]
        return found

    def _signature(self) -> Any:
        from datajob.operators.dedup._audio_prints import AudioFingerprint, SamplesHash

        kind = AudioFingerprint if self.method == "fingerprint" else SamplesHash
        return kind(column=self.column, folder=self.folder, max_duration=self.max_duration)

    def _prints(self, batch: Batch) -> list[Any]:
        """The hash or the fingerprint of each recording, and its seconds. Recordings that cannot be decoded fail."""
        from datajob.operators.dedup._media import signed

        return signed(self._signature(), batch, self.key)
