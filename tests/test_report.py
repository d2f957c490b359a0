"""Findings hold where they should and nowhere else, and their thresholds grow with the error."""

from __future__ import annotations

import pytest
import sympy as sp
from rough_fields import field, t, x

from kanpde.symbolic.structure import report


def test_findings_hold_where_they_should_and_nowhere_else():
    def named(expression):
        return {finding.name: finding.holds for finding in report.report(field(expression))}

    separated, total, none = named(sp.exp(-t) * sp.sin(x)), named(sp.exp(-t) + x**3), named(1 / (1 + x * t + x**2))
    assert separated["separated with rank 1 x 1"] and not separated["a sum of functions of one coordinate"]
    assert total["a sum of functions of one coordinate"] and total["separated with rank 2 x 2"]
    assert not none["a ridge F(k.x)"] and not none["a sum of functions of one coordinate"]
    assert named(sp.atan(x + 2 * t))["a ridge F(k.x)"]


def test_thresholds_grow_with_the_error():
    loose, tight = (list(report.report(field(sp.sin(x) * t, error=e))) for e in (1e-3, 1e-6))
    assert loose[0].threshold == pytest.approx(1e3 * tight[0].threshold) and loose[0].holds and tight[0].holds
