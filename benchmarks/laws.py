"""Find 60 formulas of the literature on symbolic regression in samples, and write results/laws.md.

    python benchmarks/laws.py --laws nguyen_9,I.6.2
    python benchmarks/laws.py --set second --seconds 120

The search was developed with the first set; the second was chosen afterwards, and the third after it had been improved
with the second.

Each is sampled at random without noise, fitted by `fit` for at most five seconds, and read off by `symbolify`. It is
recovered if the difference from the law is shown to vanish, as conditions are in a proof; "close" means that it is only
known to vanish at random points with many digits.

Sources: Uy et al., Genetic Programming and Evolvable Machines 12 (2011) 91 (Nguyen's functions); Udrescu and Tegmark,
"AI Feynman", Science Advances 6 (2020) eaay2631, whose numbers and ranges the laws of physics have; the functions of
Keijzer, Vladislavleva, Pagie, Jin, Livermore and "Constant" as in Petersen et al., "Deep symbolic regression", ICLR
2021, and Mundhenk et al., NeurIPS 2021.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sympy as sp

from kanpde import fit
from kanpde.bench.machine import describe_machine, machine
from kanpde.calculus.expressions import numpy_function, symbols
from kanpde.files import write_text
from kanpde.symbolic.clock import Clock
from kanpde.symbolic.formula import Formula
from kanpde.symbolic.proof.vanishing import show

RESULTS = Path(__file__).resolve().parents[1] / "results"
SAMPLES, SECONDS, PROOF = 1000, 60.0, 20.0  # samples; seconds for fit and search, and for a proof
TRAINING = 5.0  # seconds of the fit at most


@dataclass(frozen=True)
class Law:
    """A formula in named inputs, each with its range."""

    name: str
    text: str
    ranges: dict[str, tuple[float, float]]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.ranges)

    @property
    def expression(self) -> sp.Expr:
        return sp.sympify(self.text, locals=dict(zip(self.names, symbols(self.names), strict=True)))

    def sampled(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return samples x (n, d) and y (n,)."""
        low, high = np.array(list(self.ranges.values())).T
        x = np.random.default_rng(seed).uniform(low, high, (SAMPLES, len(low)))
        return x, np.broadcast_to(numpy_function(self.expression, self.names)(*x.T), SAMPLES)


def law(name: str, text: str, low: float = 1.0, high: float = 5.0, **others: tuple[float, float]) -> Law:
    """Return a law whose inputs have the range [low, high], apart from `others`."""
    inputs = sorted(map(str, sp.sympify(text).free_symbols))
    return Law(name, text, {each: others.get(each, (low, high)) for each in inputs})


LAWS = (
    law("nguyen_3", "x**5 + x**4 + x**3 + x**2 + x", -1, 1),
    law("nguyen_5", "sin(x**2)*cos(x) - 1", -1, 1),
    law("nguyen_6", "sin(x) + sin(x + x**2)", -1, 1),
    law("nguyen_7", "log(x + 1) + log(x**2 + 1)", 0, 2),
    law("nguyen_8", "sqrt(x)", 0, 4),
    law("nguyen_9", "sin(x) + sin(y**2)", 0, 1),
    law("nguyen_10", "2*sin(x)*cos(y)", 0, 1),
    law("nguyen_12", "x**4 - x**3 + y**2/2 - y", 0, 1),
    law("I.6.2a", "exp(-theta**2/2)/sqrt(2*pi)", 1, 3),
    law("I.6.2", "exp(-(theta/sigma)**2/2)/(sqrt(2*pi)*sigma)", 1, 3),
    law("I.8.14", "sqrt((x2 - x1)**2 + (y2 - y1)**2)"),
    law("I.16.6", "(u + v)/(1 + u*v/c**2)"),
    law("I.26.2", "asin(n*sin(theta))", n=(0, 1)),
    law("I.27.6", "1/(1/d1 + n/d2)"),
    law("I.30.3", "a*sin(n*theta/2)**2/sin(theta/2)**2"),
    law("I.37.4", "a + b + 2*sqrt(a*b)*cos(delta)"),
    law("I.48.2", "m*c**2/sqrt(1 - v**2/c**2)", v=(1, 2), c=(3, 10)),
    law("I.50.26", "a*(cos(omega*t) + alpha*cos(omega*t)**2)", 1, 3),
    law("II.6.15b", "3*p*cos(theta)*sin(theta)/(4*pi*eps*r**3)", 1, 3),
    law("III.17.37", "b*(1 + alpha*cos(theta))"),
)

# Chosen after the search was finished with the first set, and before it had seen any of these.
OTHERS = (
    law("nguyen_11", "x**y", 0, 1),
    law("constant_3", "sin(3*x/2)*cos(y/2)", 0, 1),
    law("constant_6", "x**(213/500)", 0, 4),
    law("constant_8", "log(x + 7/5) + log(x**2 + 13/10)", 0, 4),
    law("keijzer_4", "x**3*exp(-x)*cos(x)*sin(x)*(sin(x)**2*cos(x) - 1)", 0, 10),
    law("keijzer_11", "x*y + sin((x - 1)*(y - 1))", -3, 3),
    law("keijzer_14", "8/(2 + x**2 + y**2)", -3, 3),
    law("livermore_1", "1/3 + x + sin(x**2)", -10, 10),
    law("livermore_14", "x**3 + x**2 + x + sin(x) + sin(y**2)", -1, 1),
    law("jin_1", "(x + 1)**3/(x**2 - x + 1)", -1, 1),
    law("vladislavleva_1", "exp(-(x - 1)**2)/(6/5 + (y - 5/2)**2)", 0.3, 4),
    law("pagie_1", "1/(1 + x**(-4)) + 1/(1 + y**(-4))", -5, 5),
    law("I.6.2b", "exp(-((theta - theta1)/sigma)**2/2)/(sqrt(2*pi)*sigma)", 1, 3),
    law("I.12.11", "q*(E_f + B*v*sin(theta))"),
    law("I.15.3x", "(x - u*t)/sqrt(1 - u**2/c**2)", c=(3, 20), u=(1, 2), x=(5, 10), t=(1, 2)),
    law("I.18.4", "(m1*r1 + m2*r2)/(m1 + m2)"),
    law("I.29.16", "sqrt(x1**2 + x2**2 - 2*x1*x2*cos(theta1 - theta2))"),
    law("I.40.1", "n_0*exp(-m*g*x/(k_b*T))"),
    law("I.44.4", "n*k_b*T*log(V2/V1)"),
    law("III.4.32", "1/(exp(h*omega/(2*pi*k_b*T)) - 1)"),
)

# Chosen after the search had been improved with the second set, and before it had seen any of these.
LATER = (
    law("keijzer_5", "30*x*z/((x - 10)*y**2)", -1, 1, y=(1, 2)),
    law("vladislavleva_4", "10/(5 + (x1 - 3)**2 + (x2 - 3)**2 + (x3 - 3)**2 + (x4 - 3)**2 + (x5 - 3)**2)", 0.05, 6.05),
    law("vladislavleva_7", "(x - 3)*(y - 3) + 2*sin((x - 4)*(y - 4))", 0.05, 6.05),
    law("vladislavleva_8", "((x - 3)**4 + (y - 3)**3 - (y - 3))/((y - 2)**4 + 10)", 0.05, 6.05),
    law("livermore_2", "sin(x**2)*cos(x) - 2", -1, 1),
    law("livermore_4", "log(x + 1) + log(x**2 + 1) + log(x)", 0.1, 2),
    law("livermore_11", "x**2*y**2/(x + y)", 0.1, 1),
    law("r_2", "(x**5 - 3*x**3 + 1)/(x**2 + 1)", -1, 1),
    law("r_3", "(x**6 + x**5)/(x**4 + x**3 + x**2 + x + 1)", -1, 1),
    law("I.10.7", "m_0/sqrt(1 - v**2/c**2)", v=(1, 2), c=(3, 10)),
    law("I.13.12", "G*m1*m2*(1/r2 - 1/r1)"),
    law("I.15.3t", "(t - u*x/c**2)/sqrt(1 - u**2/c**2)", c=(3, 10), u=(1, 2)),
    law("I.32.17", "eps*c*E_f**2/2*8*pi*r**2/3*omega**4/(omega**2 - omega_0**2)**2", 1, 2, omega_0=(3, 5)),
    law("I.34.14", "(1 + v/c)*omega_0/sqrt(1 - v**2/c**2)", v=(1, 2), c=(3, 10)),
    law("I.41.16", "h*omega**3/(2*pi**3*c**2*(exp(h*omega/(2*pi*k_b*T)) - 1))"),
    law("II.11.28", "1 + n*alpha/(1 - n*alpha/3)", 0, 1),
    law("II.24.17", "sqrt(omega**2/c**2 - pi**2/d**2)", omega=(4, 6), c=(1, 2), d=(2, 4)),
    law("II.35.18", "n_0/(exp(mom*B/(k_b*T)) + exp(-mom*B/(k_b*T)))", 1, 3),
    law("II.35.21", "n_rho*mom*tanh(mom*B/(k_b*T))"),
    law(
        "III.9.52",
        "p_d*E_f*t/h*sin((omega - omega_0)*t/2)**2/((omega - omega_0)*t/2)**2",
        1,
        3,
        omega=(1, 5),
        omega_0=(1, 5),
    ),
)
SETS = {"first": LAWS, "second": OTHERS, "third": LATER}


@dataclass(frozen=True)
class Row:
    """What was found of a law."""

    law: Law
    outcome: str
    seconds: float
    processor: float
    fitted: float
    misfit: float
    found: str

    def line(self) -> str:
        found = self.found if len(self.found) <= 110 else self.found[:107] + "..."
        return (
            f"| {self.law.name} | `{self.law.text}` | {len(self.law.names)} | {self.misfit:.1e} | {self.fitted:.1f} | "
            f"{self.seconds:.1f} | {self.processor:.1f} | {self.outcome} | `{found}` |"
        )


def recovered(formula: Formula, known: Law) -> str:
    """Return "yes" if the formula is shown to be the law, "close" if it is so at random points, else "no"."""
    if formula.expression is None:
        return "no"
    # Square roots of products are products of square roots where the inputs are positive.
    inputs = [sp.Symbol(x, real=True, positive=True if ends[0] > 0 else None) for x, ends in known.ranges.items()]
    law_there = known.expression.subs(dict(zip(symbols(known.names), inputs, strict=True)), simultaneous=True)
    boxes = {x: tuple(map(sp.Rational, map(str, ends))) for x, ends in zip(inputs, known.ranges.values(), strict=True)}
    same = formula.expression.subs(dict(zip(symbols(formula.coordinates), inputs, strict=True)), simultaneous=True)
    found = show("the law", law_there - same, boxes, Clock(PROOF))
    return {"vanishes": "yes", "vanishes at points": "close"}.get(found.outcome, "no")


def processor_seconds() -> float:
    """Return the processor seconds of this process and of its workers that have ended."""
    return sum(
        each.ru_utime + each.ru_stime
        for each in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def row(known: Law, seed: int, told: bool, allowed: float) -> Row:
    """Sample a law, fit it, and look for it for so many seconds."""
    x, y = known.sampled(seed)
    started, processor = time.monotonic(), processor_seconds()
    model = fit(x, y, training={"budget_seconds": TRAINING * allowed / SECONDS}, seed=seed)
    fitted = time.monotonic() - started
    new, values = known.sampled(seed + 1)
    misfit = model.metrics(new, values)["rmse"] / float(np.sqrt(np.mean(values**2)))
    left = max(1.0, allowed - fitted)
    formula = model.symbolify(budget_seconds=left, seed=seed, progress=print if told else (lambda line: None))
    seconds, spent = time.monotonic() - started, processor_seconds() - processor
    return Row(known, recovered(formula, known), seconds, spent, fitted, misfit, str(formula.expression))


def section(title: str, rows: list[Row]) -> list[str]:
    """Return a heading, what was found, and a table."""
    found = sum(each.outcome == "yes" for each in rows)
    return [
        f"## {title}",
        "",
        f"{found} of {len(rows)} recovered, from {SAMPLES} samples each without noise.",
        "",
        "| law | formula | inputs | fit error | fit | all | processor | recovered | found |",
        "|---|---|---|---|---|---|---|---|---|",
        *(each.line() for each in rows),
        "",
    ]


def write(sections: list[str], command: str) -> None:
    """Write results/laws.md, without the sections that were not run again."""
    head = [
        "# Formulas of the literature, from samples",
        "",
        f"`{command}`",
        f"{describe_machine(machine())}",
        "",
        "*fit error*: relative root mean square at new points; *fit*: seconds of it, *all*: with the search;",
        "*processor*: seconds of processor time of both.",
        "",
    ]
    write_text(RESULTS / "laws.md", "\n".join([*head, *sections]).rstrip() + "\n")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [each.name for each in (*LAWS, *OTHERS, *LATER)]
    words.add_argument("--laws", type=lambda text: text.split(","), help="names; results/laws.md is not written then")
    words.add_argument("--set", choices=SETS, help="one of the sets; both if it is left out")
    words.add_argument("--seconds", type=float, default=SECONDS, help="of the fit and the search for each law")
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--told", action="store_true", help="print what the search tells")
    settings = words.parse_args()
    if unknown := sorted(set(settings.laws or ()) - set(names)):
        words.error(f"unknown laws {', '.join(unknown)}; known: {', '.join(names)}")
    sections: list[str] = []
    for title, laws in SETS.items():
        rows = []
        for known in laws if settings.set in (None, title) else ():
            if settings.laws is None or known.name in settings.laws:
                rows.append(row(known, settings.seed, settings.told, settings.seconds))
                print(rows[-1].line(), flush=True)
        sections += section(f"The {title} set", rows) if rows else []
    if settings.laws is None:
        write(sections, " ".join(["python benchmarks/laws.py", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
