"""Files with the readings and the truth of a world, for experiments in NumPy (of the dependency group bench)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.benchmarks.detection.worlds import AROUND, Sample, curve, kind
from youtube_sandbox.world import SeededWorld

if TYPE_CHECKING:
    from pathlib import Path


def dump(world: Sample, folder: Path) -> Path:
    """Write the readings and the truth into a compressed file for NumPy, and return its path.

    Of each video: ``channel``, ``category``, ``kind`` (as it is after a broadcast), ``published``. Of each reading, in
    the order of time: ``video``, ``observed_at``, ``views``. Of each breakout and decoy: ``breakout_video``,
    ``breakout_start``, ``breakout_end``, ``breakout_shape``, and the same of ``decoy`` with ``decoy_kind``. Also
    ``counting_step`` (the day of the change, its factor, 1 for Shorts only), ``begin``, ``end``. Times are seconds
    since 1970.
    """
    channels = {id_: number for number, id_ in enumerate(dict.fromkeys(video.channel.id for video in world.videos))}
    breakouts = [(number, *each) for number, video in enumerate(world.videos) for each in curve(video).breakouts]
    decoys = [(number, *each) for number, video in enumerate(world.videos) for each in curve(video).decoys]
    step = SeededWorld(seed=world.seed, begin=0.0, channels=1).counting_step(AROUND)
    columns: dict[str, Any] = {
        "channel": np.array([channels[video.channel.id] for video in world.videos], np.int32),
        "category": np.array([video.category for video in world.videos], np.int32),
        "kind": np.array([kind(video, math.inf) for video in world.videos], np.int8),
        "published": np.array([video.published for video in world.videos], np.int64),
        "video": np.array(world.video, np.int32),
        "observed_at": np.array(world.at, np.float64),
        "views": np.array(world.views, np.int64),
        "counting_step": np.array([step.at, step.factor, float(step.shorts_only)]),
        "begin": np.array(world.begin),
        "end": np.array(world.end),
    }
    for name, rows, what in (("breakout", breakouts, "shape"), ("decoy", decoys, "kind")):
        columns[f"{name}_video"] = np.array([row[0] for row in rows], np.int32)
        columns[f"{name}_start"] = np.array([row[1] for row in rows], np.float64)
        columns[f"{name}_end"] = np.array([row[2] for row in rows], np.float64)
        columns[f"{name}_{what}"] = np.array([str(row[3]) for row in rows], "U20")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"world-{world.seed}.npz"
    np.savez_compressed(path, **columns)
    return path
