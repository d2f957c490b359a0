"""Symbols, a box of them, and an expression that hangs."""

import time

import sympy as sp

from kanpde.calculus.expressions import symbols

x, t = symbols("xt")
BOX = {x: (sp.Integer(0), sp.Integer(1)), t: (sp.Integer(0), sp.Integer(1))}


def hang(expression):
    while True:
        time.sleep(0.01)
