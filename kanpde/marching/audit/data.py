"""The audit of a function of data: does it hold at points that its training did not see?"""

from __future__ import annotations

import math

import numpy as np
import torch

from kanpde.calculus.arrays import Array
from kanpde.calculus.jets import JetPlan
from kanpde.marching.audit.audit import Audit
from kanpde.network.trial_function import Model
from kanpde.problem.regression import Regression

USELESS = 1.0  # error, relative to the spread of the values, of their mean
WORSE, NOTABLE = 3.0, 0.05  # an error at held-out points that is so much larger than at the others, and so large
UNKNOWN = (
    "no samples are held out, and training has no other estimate of the error between its own; give more samples, or "
    "a share of them as training.validation"
)


def audit_of_data(problem: Regression, model: Model, *, diverged: bool, cross_validated: float = math.inf) -> Audit:
    """Return the audit of a model: its error at the held-out points, or the cross-validated one if none are held out.

    `cross_validated` is the estimate of the error at other points, relative to the spread of the values, that training
    has from generalised cross-validation; infinite without one. The verdict is "failed" if the mean of the values is a
    better model, and "doubtful" if the error at unseen points is not known, or notable and much larger than at the
    points of the training. The estimates are the relative L2 error and the largest error there; noise in the values is
    a part of both.
    """
    trained = misses(model, problem.points, problem.values)
    points, values = problem.unseen
    unseen = misses(model, points, values)
    spread = problem.standard[1]
    at_training, at_unseen = (float(np.sqrt(np.square(each / spread).mean())) for each in (trained, unseen))
    if diverged or not math.isfinite(at_unseen):
        return Audit("failed", ("the values of the network are not finite",), None, None)
    size = float(np.sqrt(np.square(values).mean()))
    estimate, most = float(np.sqrt(np.square(unseen).mean())) / (size or 1.0), float(np.abs(unseen).max())
    if not problem.has_held_out:
        if not math.isfinite(cross_validated):
            return Audit("doubtful", (UNKNOWN,), None, None)
        at_unseen = max(at_training, cross_validated / math.sqrt(len(spread)))
        expected = at_unseen * float(np.sqrt(np.square(spread).mean()))
        estimate, most = expected / (size or 1.0), max(most, expected)
    verdict, reasons = "solved", list[str]()
    if at_unseen > USELESS:
        verdict = "failed"
        reasons.append(f"the error is {at_unseen:.2g} times the spread of the values: their mean is a better model")
    elif at_unseen > max(WORSE * at_training, NOTABLE):
        verdict = "doubtful"
        above = f"{at_unseen / at_training:.2g} times that at its own" if at_training else "not zero, as at its own"
        reasons.append(f"the error at points that training did not see is {above}")
    return Audit(verdict, tuple(reasons), estimate, most)


def misses(model: Model, points: Array, values: Array) -> Array:
    """Return u − y at points (n, d): (n, fields)."""
    jets = model.jets_at(torch.as_tensor(points), JetPlan(points.shape[1], [()]))
    return np.asarray(jets[:, 0].cpu().double()) - values
