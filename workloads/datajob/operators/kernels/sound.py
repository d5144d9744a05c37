"""Measures of audio, block by block: what reaches over the end of a block is in a state that the caller keeps."""

from __future__ import annotations

from typing import Any

import numpy as np

from datajob.operators.kernels.jit import kernel
from datajob.operators.kernels.types import f32, f64, i64, read, write


@kernel(i64(read(f32, 2), read(f64), read(f64), write(f64, 2), write(f64), i64, write(f64)))
def loudness_sums(block: Any, c: Any, weights: Any, state: Any, carried: Any, hop: Any, out: Any) -> Any:
    """Write the weighted sum of the squares of each `hop` frames to `out`, and return how many.

    `state` has 4 values per channel; `carried` the sum and the number of frames of the incomplete hop.
    """
    frames, channels = block.shape
    count, done, at = int(carried[1]), 0, 0
    while at < frames:
        stop = min(frames, at + hop - count)
        total = 0.0
        for channel in range(channels):
            b0, b1, b2, a1, a2 = c[0], c[1], c[2], c[3], c[4]
            d0, d1, d2, e1, e2 = c[5], c[6], c[7], c[8], c[9]
            s0, s1, s2, s3 = state[channel, 0], state[channel, 1], state[channel, 2], state[channel, 3]
            square = 0.0
            for i in range(at, stop):
                x = np.float64(block[i, channel])
                y = b0 * x + s0
                s0 = b1 * x - a1 * y + s1
                s1 = b2 * x - a2 * y
                z = d0 * y + s2
                s2 = d1 * y - e1 * z + s3
                s3 = d2 * y - e2 * z
                square += z * z
            if abs(s0) < 1e-30:  # numbers that are almost zero are slow
                s0, s1 = 0.0, 0.0
            if abs(s2) < 1e-30:
                s2, s3 = 0.0, 0.0
            state[channel, 0], state[channel, 1], state[channel, 2], state[channel, 3] = s0, s1, s2, s3
            total += weights[channel] * square
        carried[0] += total
        count += stop - at
        at = stop
        if count == hop:
            out[done] = carried[0]
            carried[0] = 0.0
            done += 1
            count = 0
    carried[1] = count
    return done


@kernel(i64(read(f32, 2), write(f64), i64, write(f64)))
def window_powers(block: Any, carried: Any, window: Any, out: Any) -> Any:
    """Write the mean square of each `window` frames over all channels to `out`, and return how many.

    `carried`: the sum and the number of frames of the incomplete window.
    """
    frames, channels = block.shape
    count, done, at = int(carried[1]), 0, 0
    while at < frames:
        stop = min(frames, at + window - count)
        total = np.float32(0)
        for i in range(at, stop):
            for channel in range(channels):
                total += block[i, channel] * block[i, channel]
        carried[0] += np.float64(total)
        count += stop - at
        at = stop
        if count == window:
            out[done] = carried[0] / (window * channels)
            carried[0] = 0.0
            done += 1
            count = 0
    carried[1] = count
    return done


@kernel(i64(read(f32, 2), f32, i64, write(i64)))
def clipped(block: Any, level: Any, run: Any, runs: Any) -> Any:
    """The number of samples in runs of at least `run` samples of a channel whose magnitude is `level` or more.

    `runs`: the length of the run at the end of the block before, by channel.
    """
    frames, channels = block.shape
    found = 0
    for channel in range(channels):
        length = runs[channel]
        for i in range(frames):
            if abs(block[i, channel]) >= level:
                length += 1
                if length == run:
                    found += run
                elif length > run:
                    found += 1
            else:
                length = 0
        runs[channel] = length
    return found


@kernel(f64(read(f32, 2), read(f32, 2), write(f32, 2)))
def true_peak(block: Any, phases: Any, before: Any) -> Any:
    """The largest magnitude between samples, by interpolation. `before` has the last frames of the block before."""
    frames, channels = block.shape
    taps = phases.shape[1]
    peak = np.float32(0)
    for channel in range(channels):
        line = np.float32(0)
        for i in range(frames):
            for phase in range(phases.shape[0]):
                line = np.float32(0)
                for k in range(taps):
                    j = i - k
                    line += phases[phase, k] * (block[j, channel] if j >= 0 else before[taps + j, channel])
                peak = max(peak, abs(line))
    for k in range(taps):
        j = frames - taps + k
        for channel in range(channels):
            before[k, channel] = block[j, channel] if j >= 0 else before[frames + k, channel]
    return np.float64(peak)
