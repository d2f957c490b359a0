"""Problem files with mistakes: every one is said in one line, before training begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from kanpde.errors import KanpdeError
from kanpde.problem.registry import load_problem
from kanpde.training.settings import Settings
from kanpde.training.trainer import Trainer

SETTINGS = Settings.read(
    {"network": {}, "training": {}, "sampling": {}, "seed": 0, "device": "cpu", "dtype": "float64"}
)
HEAD = """\
from dataclasses import dataclass
import numpy as np
import sympy as sp
import torch
from kanpde import Box, Condition, Data, Dirichlet, Initial, Neumann, Periodic, Problem, Robin
"""
RIGHT = {
    "class": "@dataclass(frozen=True)\nclass Case(Problem):",
    "parameters": "",
    "domain": "domain = Box(x=(0, 1))",
    "residual": "def residual(self, u, x):\n    return u.xx - x",
    "conditions": "def conditions(self):\n    return {'ends': Dirichlet(0)}",
    "more": "",
}
EVOLVING = {
    "domain": "domain = Box(x=(0, 1), t=(0, 1))",
    "residual": "def residual(self, u):\n    return u.t - u.xx",
}


def program(**parts: str) -> str:
    """The text of a problem file that is right, with other parts."""
    first, *rest = {**RIGHT, **parts}.values()
    lines = [line for part in rest for line in part.splitlines()]
    return f"{HEAD}{first}\n" + "".join(f"    {line}\n" for line in lines)


def body(head: str, text: str) -> str:
    """A function with this body."""
    return f"def {head}:\n" + "\n".join(f"    {line}" for line in text.splitlines())


def refused(text: str | bytes, folder: Path) -> str:
    """The message of the error that the problem file ./problems/case.py causes before training."""
    (folder / "problems").mkdir()
    (folder / "problems" / "case.py").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(KanpdeError) as caught:
        Trainer(load_problem("case"), SETTINGS)
    return str(caught.value)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, with the user in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


# What is said -> the mistakes of which it is said.
RESIDUALS = {
    "expects tensors of shape (n,), got": [
        "pass", "return 0.0", "return 1", "return 'a'", "return np.zeros(7)", "return (u.xx, None)", "return {u.xx}",
        "return ((u.xx, u.x), u.x)", "return {1: u.xx, 'a': 3}", "return (row for row in [u.xx])",
        "return u.xx - x if len(x) == 7 else None",
    ],
    "expects real tensors of shape (n,), one number for each point": [
        "return u.xx[:3]", "return u.xx.sum()", "return (u.xx**2).mean()", "return u.xx[:, None]", "return u.xx + 1j",
        "return torch.complex(u.xx, u.x)", "return u.xx > 0", "return u.xx.long()", "return (u.xx, u.xx[:2])",
        "return u.xx - x if len(x) == 7 else u.xx[:3]", "return u.xx - x if len(x) == 7 else u.xx + 1j",
    ],
    "expects at least one tensor": ["return ()", "return []", "return {}"],
    "leave out detach and numpy": [
        "return u.xx.detach()", "return torch.from_numpy(np.sin(u.xx.detach().numpy()))",
        "with torch.no_grad():\n    return u.xx - x",
    ],
    "use torch": [
        "return np.sin(u) + u.xx", "return u.xx + sp.sin(u)", "return u.xx + sp.sin(x)",
        "return u.xx + sp.Symbol('x')", "import math\nreturn u.xx + math.sin(x)",
        "import math\nreturn u.xx + math.sin(u)",
    ],
    "expected a partial derivative of u, got": [
        "return u.xy", "return u.q", "return u.d('q')", "return u.d(0)", "return u.d(None)", "return u.d(['x'])",
        "return u.d('xx')", "return u.d('x', 'x') + u.d('x', 'y')",
    ],
    "(case.py, line": [
        "return u.xx + y", "raise ValueError('a\\nb\\nc')", "raise RuntimeError", "import sys; sys.exit(0)", "quit()",
        "raise SystemExit(3)", "return self.residual(u, x)", "assert False", "raise StopIteration",
        "raise GeneratorExit",
        "self.z = 1\nreturn u.xx", "u.xx.add_(1)\nreturn u.xx", "return u.xx if u > 0 else u.x", "return u.xx / Q",
        "return torch.autograd.grad(u.sum(), x)[0]", "raise ValueError('x' * 100000)",
        "class E(Exception):\n    def __str__(self): raise ValueError('no text')\nraise E()",
        "return u.xx - x if len(x) == 7 else quit()", "return u.xx - x if len(x) == 7 else self.residual(u, x)",
    ],
    "rows that change with the fields": ["return 0 * u.xx", "return 0 * u.x + 1", "return u - u"],
    "expects finite numbers": [
        "return u.xx + float('nan')", "return u.xx + torch.log(-x - 1)", "return u.xx + 1 / (0 * x)",
        "return u.xx - x if len(x) == 7 else u.xx * float('nan')",
    ],
    "depend on their own point alone": [
        "return u.xx + torch.rand_like(x)", "return torch.sort(u.xx).values - x", "return torch.cumsum(u.xx, 0) - x",
        "return u.xx.flip(0) - x", "return torch.roll(u.xx, 1) - x", "return u.xx - x.max()",
        "return u.xx - float(x.max())", "return u.xx - u.mean()", "return u.xx - u.x[0].item()",
    ],
    "choose other units": ["return 1e300 * (u.xx - x)", "return 1e308 * (u.xx - x) * 10"],
    "coordinates unchanged": ["x.add_(1)\nreturn u.xx - x"],
    "splines of degree at least": ["return u.d(*('x',) * 20) - x", "return u.xxxxxxxxx - x"],
}  # fmt: skip
ARGUMENTS = {
    "unknown argument": ["self, u, time", "self, u, x, viscosity", "self, U, x", "self, u, x, /"],
    "a function with arguments among": [""],
    "AttributeError": ["u, x"],
}
CONDITIONS = {
    "expects a dict name -> condition": [
        "return [Dirichlet(0)]", "pass", "return Dirichlet(0)", "return {Dirichlet(0)}", "return 'a'",
    ],
    "such as Dirichlet(0) for 'a'": ["return {'a': 0}", "return {'a': Dirichlet}"],
    "expects words other than 'residual'": [
        "return {None: Dirichlet(0)}", "return {1: Dirichlet(0)}", "return {'': Dirichlet(0)}",
        "return {'residual': Dirichlet(0)}",
    ],
    "(case.py, line": ["raise ValueError('a\\nb')", "raise SystemExit(0)"],
}  # fmt: skip
CONDITION = {
    "expected a face of the domain for on": ["Dirichlet(0, on='y')", "Dirichlet(0, on='left')"],
    "list of names for on": [
        "Dirichlet(0, on=None)", "Dirichlet(0, on=0)", "Dirichlet(0, on=['x-', 3])",
        "Dirichlet(0, on=0.5)", "Dirichlet(0, on=[['x']])",
    ],
    "at least one face": ["Dirichlet(0, on=[])"],
    "unexpected keyword argument": ["Dirichlet(0, where='x-')", "Dirichlet(vlaue=0)"],
    "positional argument": ["Dirichlet(0, 'x', 'u', 1, 2)", "Robin(1, 1)", "Data([[0.5]])"],
    "expected hard=True or hard=False": ["Dirichlet(0, hard='yes')", "Dirichlet(0, hard=1)", "Dirichlet(0, hard=None)"],
    "can't be built": ["Neumann(0, hard=True)", "Condition(lambda u: u, hard=True)", "Data([[0.5]], [1.0], hard=True)"],
    "positive finite weight": [
        f"Dirichlet(0, weight={weight})"
        for weight in ("-1", "0", "float('nan')", "'1'", "True", "torch.tensor(1.0)", "1e300")
    ],
    "expected finite real numbers": ["Dirichlet(float('nan'))", "Dirichlet(sp.oo)", "Dirichlet(sp.I)"],
    "as the value, got": [
        "Dirichlet(None)", "Dirichlet(np.zeros(50))", "Dirichlet(1j)", "Dirichlet({'x-': 0})", "Dirichlet((0, 1))",
        "Dirichlet(Dirichlet(0))",
    ],
    "SymPy expression": ["Dirichlet('sin(x)')", "Dirichlet(True)"],
    "needs a method exact": ["Dirichlet('exact')"],
    "expected an expression in the coordinates x": ["Dirichlet(sp.Symbol('q'))"],
    "expected finite values on x-": [
        "Dirichlet(1 / sp.Symbol('x'))", "Dirichlet(1e300)", "Dirichlet(lambda x: x / 0)",
        "Dirichlet(sp.Piecewise((1, sp.Symbol('x') > 5)))",
    ],
    "the value's function": [
        "Dirichlet(lambda y: y)", "Dirichlet(lambda x: 'a')", "Dirichlet(lambda x: np.sin(x.numpy()))",
        "Dirichlet(lambda x: x[:1])", "Dirichlet(lambda x: sp.sin(x))", "Dirichlet(lambda x: x + 1j)",
        "Dirichlet(lambda x: quit())", "Dirichlet(lambda x: None)",
    ],
    "expected a field": ["Dirichlet(0, field='v')", "Dirichlet(0, field=0)", "Dirichlet(0, field=['u'])"],
    "Initial expects a coordinate t": ["Initial(0)"],
    "Robin expects": [
        "Robin(0, 0, 0)", "Robin('a', 1, 0)", "Robin(None, 1, 0)", "Robin(float('nan'), 1, 0)", "Robin(10**400, 1, 0)",
        "Robin(lambda x: x, 1, 0)", "Robin(1j, 1, 0)",
    ],
    "expected a coordinate of the domain": ["Periodic('y')", "Periodic(None)", "Periodic(['x'])", "Periodic('x-')"],
    "Periodic expects an order": ["Periodic('x', order=-1)", "Periodic('x', order=1.5)", "Periodic('x', order=100)"],
    "Condition expects a function": ["Condition(None)", "Condition('u')"],
    "its residual": [
        "Condition(lambda u: 0)", "Condition(lambda u, q: u)", "Condition(lambda x: x)", "Condition(lambda u: 1 / 0)",
        "Condition(lambda u: u.sum())",
    ],
    "depend on their own point alone": ["Condition(lambda u, x: u - torch.rand_like(x))"],
    "as a real array of numbers": [
        "Data([[0.5]], [1j])", "Data(np.array([[0.5]]), np.array([1 + 1j]))", "Data(np.array([[0.5j]]), [1.0])",
        "Data([[0.5]], torch.tensor([1j]))", "Data('a', 'b')", "Data([['0.5']], ['1'])", "Data(None, None)",
        "Data([[0.5], [0.5, 0.6]], [1, 2])", "Data([[object()]], [1])", "Data({'x': [0.5]}, [1])",
        "Data('data.csv', [1])", "Data([[0.5]], [10**400])", "Data([[0.5]], [np.datetime64('2020-01-01')])",
    ],
    "Data expects finite": [
        "Data([[0.5]], [float('nan')])", "Data([[float('nan')]], [1.0])", "Data([[0.5]], [float('inf')])",
    ],
    "Data expects points": [
        "Data([[1.5]], [1.0])", "Data([[0.5, 0.5]], [1.0])", "Data([], [])", "Data(0.5, 1.0)",
        "Data(np.zeros((2, 1, 1)), [1.0, 1.0])",
    ],
    "Data expects values": ["Data([[0.5], [0.6]], [1.0])", "Data([[0.5]], [[1.0, 2.0]])"],
}  # fmt: skip
INITIALS = {
    "Initial expects an order": ["order=-1", "order=1.5", "order='1'", "order=50", "order=True"],
    "can't be built": ["order=2, hard=True"],
    "unexpected keyword": ["on='t-'"],
}
EXACT = {
    "got the symbol q": ["return sp.Symbol('q')"],
    "finite": ["return sp.nan", "return sp.zoo", "return sp.oo", "return sp.I * x", "return sp.sqrt(-1 - x)"],
    "expected a SymPy expression or a number": [
        "pass", "return 'x'", "return x > 0", "return sp.Matrix([x])", "return sp.Eq(x, 1)",
    ],
    "exact of case": [
        "return np.sin(x)", "return torch.sin(x)", "return (x, x)", "return {'v': x}", "raise ValueError('a\\nb')",
        "quit()", "return ()", "return self.exact(x)",
    ],
    "numerical counterpart": ["return sp.Function('f')(x)"],
}  # fmt: skip
REFERENCES = {
    "reference of case": [
        "pass", "return 1.0", "return np.zeros(3)", "return np.zeros((len(x), 2))", "raise ValueError('a\\nb')",
        "if len(x) > 10: raise ValueError('late')\nreturn x", "raise SystemExit(0)", "return 'a'", "return x + 1j",
        "return np.array([None] * len(x))", "return [0.0] * len(x)", "return {'v': x}", "return (x, x)",
        "return sp.Symbol('x')", "return np.load('nonesuch.npz')['u']", "return self.reference(x)",
        "return x.astype('datetime64[s]')",
    ],
    "expected finite numbers of the solution": [
        "return x * np.nan", "return np.full(len(x), np.inf)", "return np.where(x < 0.5, np.nan, x)",
    ],
}  # fmt: skip
DOMAINS = {
    "expects a domain such as Box": ["pass", "domain = (0, 1)", "domain = {'x': (0, 1)}", "domain = Box"],
    "domain of case": ["@property\ndef domain(self): raise ValueError('a')", "@property\ndef domain(self): quit()"],
    **{
        said: [f"domain = {domain}" for domain in domains]
        for said, domains in {
            "expects 1 to 20 coordinates": ["Box()", "Box(**{f'x{i}': (0, 1) for i in range(21)})"],
            "expects low < high": ["Box(x=(1, 0))", "Box(x=(1, 1))", "Box(x=(1, 1 + 1e-16))"],
            "expects finite numbers as bounds": [
                f"Box(x=(0, {bound}))"
                for bound in ("float('inf')", "float('nan')", "sp.oo", "'1'", "1j", "True", "1e300", "10**400", "None")
            ],
            "expects two bounds": ["Box(x=1)", "Box(x=(0, 1, 2))", "Box(x=None)", "Box(x={0, 1})", "Box(x='01')"],
            "by more than round-off": ["Box(x=(0, 1e-300))", "Box(x=(1e15, 1e15 + 0.125))"],
            "a coordinate can't be named": ["Box(d=(0, 1))", "Box(_x=(0, 1))", "Box(**{'a b': (0, 1)})"],
            "TypeError": ["Box((0, 1))", "Box(x=(0, 1)) * 3"],
            "different coordinates": ["Box(x=(0, 1)) * Box(x=(0, 1))"],
            "different plain words": ["Box(u=(0, 1))"],
            "have one meaning": ["Box(x=(0, 1), xx=(0, 1))", "Box(x=(0, 1), xt=(0, 1), t=(0, 1))"],
        }.items()
    },
}
DECLARED = {
    "expects fields as a tuple of names": [
        f"fields = {fields}" for fields in ('"u"', "()", "None", "(1,)", "{'u': 1}", "{'u'}", "1")
    ],
    "expects different plain words": [
        *(f"fields = {fields}" for fields in ("('u', 'u')", "('x',)", "('d',)", "('a b',)", "('',)")),
        *(f"unknowns = {unknowns}" for unknowns in ("{'x': 1.0}", "{'u': 1.0}", "{'d': 1.0}", "{1: 1.0}")),
    ],
    "the field v of case in an equation": ["fields = ('u', 'v')"],
    "the unknown k of case in an equation": ["unknowns = {'k': 1.0}"],
    "expected a finite number": [
        f"unknowns = {{'k': {start}}}" for start in ("float('nan')", "float('inf')", "10**400")
    ],
    "expects a number to start from": [
        f"unknowns = {{'k': {start}}}" for start in ("'a'", "None", "True", "1j", "torch.tensor(1.0)", "sp.pi")
    ],
    "expects unknowns as a dict": [f"unknowns = {unknowns}" for unknowns in ("['k']", "('k',)", "{'k'}", "None")],
    "expects another name": ["check: int = 3", "blocks: int = 3", "name: str = 'a'", "parameters: int = 1", "name = 3"],
    "exact of case": ["exact = 3", "exact = sp.Symbol('x')", "def exact(self, y): return y", "def exact(): return 1"],
    "reference of case": ["reference = np.zeros(5)", "def reference(self, y): return y"],
    "problem case: ": [
        "rate: float", "def __post_init__(self): raise ValueError('bad\\nvalue')", "def __post_init__(self): quit()",
    ],
    "case.py, line": ["rate: list = []", "rate: float = 1.0\nother: float"],
}  # fmt: skip
FILES = {
    "SyntaxError": ["def f(:\n", "x = 1\x00\n", "x = 1\n".encode("utf-16"), b"x = '\xe4'\n"],
    "IndentationError": ["class P:\ndomain = 1\n"],
    "TabError": ["if 1:\n\tx = 1\n        y = 2\n"],
    "expected a class derived from Problem": ["", "x = 1\n", "class P:\n    domain = 1\n"],
    "expected one class derived from Problem": [HEAD + "class A(Problem): pass\nclass B(Problem): pass\n"],
    "expects a domain": [HEAD + "class P(Problem): pass\n"],
    "line 1: ModuleNotFoundError": ["import nonesuch\n"],
    "line 1: ImportError": ["from kanpde import Boks\n"],
    "line 1: SystemExit": ["import sys; sys.exit(0)\n", "quit()\n"],
    "ValueError: a b": ["raise ValueError('a\\nb')\n"],
    "RecursionError": ["def f(): f()\nf()\n"],
    "a file that loads itself": ["from kanpde import load_problem\nload_problem('case')\n"],
}
RESIDUAL_PARTS = ["residual = 3", "@property\ndef residual(self): raise ValueError('p')", "pass"]


def cases() -> list[tuple[str, str | bytes]]:
    """Every mistake as (what is said, the text of the file)."""
    parts = [
        (RESIDUALS, lambda text: program(residual=body("residual(self, u, x)", text))),
        (ARGUMENTS, lambda text: program(residual=body(f"residual({text})", "return u.xx"))),
        ({"residual": RESIDUAL_PARTS}, lambda text: program(residual=text)),
        (CONDITIONS, lambda text: program(conditions=body("conditions(self)", text))),
        (CONDITION, lambda text: program(conditions=body("conditions(self)", f"return {{'a': {text}}}"))),
        (
            INITIALS,
            lambda text: program(
                **EVOLVING, conditions=body("conditions(self)", f"return {{'a': Initial(0, {text})}}")
            ),
        ),
        (EXACT, lambda text: program(more=body("exact(self, x)", text))),
        (REFERENCES, lambda text: program(more=body("reference(self, x)", text))),
        (DOMAINS, lambda text: program(domain=text)),
        (DECLARED, lambda text: program(more=text, conditions="")),
        (FILES, lambda text: text),
    ]
    return [(said, made(text)) for table, made in parts for said, texts in table.items() for text in texts]


@pytest.mark.parametrize(("said", "text"), cases())
def test_a_mistake_in_a_problem_file_is_said_in_one_line(said: str, text: str | bytes, here: Path) -> None:
    message = refused(text, here)
    assert said in message and "\n" not in message and len(message) < 600


def test_the_command_says_it_too_and_leaves_nothing(command, here: Path) -> None:  # type: ignore[no-untyped-def]
    (here / "problems").mkdir()
    text = program(more=body("reference(self, x)", "return x[:2]"))
    (here / "problems" / "case.py").write_text(text)
    status, out, err = command("problem=case", "device=cpu")
    assert status == 2 and out == "" and err.startswith("error: reference of case expects") and err.count("\n") == 1
    assert not (here / "results").exists()


ACCEPTED = [
    program(),
    program(residual="def residual(self, u, **all):\n    return u.xx - torch.relu(u - 2)"),
    program(residual="residual = lambda self, u, x: {1: u.xx, 'two': torch.where(x > 0.5, u.x, u)}"),
    program(
        conditions=body("conditions(self)", "return {'a': Data([[sp.Rational(1, 2)]], [sp.pi], weight=np.float64(2))}")
    ),
    program(conditions=body("conditions(self)", "return {'a': Periodic('x'), 'b': Dirichlet(lambda x: x > 0)}")),
    program(domain="domain = Box(x=(1.6e9, 1.6e9 + 3600))"),
    program(more=body("reference(self, x)", "return torch.zeros(len(x), requires_grad=True)")),
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_what_is_unusual_but_right_is_accepted(text: str, here: Path) -> None:
    (here / "problems").mkdir()
    (here / "problems" / "case.py").write_text(text)
    Trainer(load_problem("case"), SETTINGS)
