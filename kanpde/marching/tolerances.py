"""The thresholds of a march: tolerances of passes, changes of axes and slabs, and ends of iterations and passes."""

from __future__ import annotations

from dataclasses import dataclass, replace

# Largest root mean square of measurements' rows: the equation is exact and measurements have noise, so the rows of
# those that the solution misses by more weigh less. What the splines leave of the equation has to be far below it.
MISFIT = 1e-3


@dataclass(frozen=True)
class MarchTolerances:
    """All thresholds of a march; the defaults are those of `solve`, and tests and experiments may use others."""

    passes: tuple[float, ...] = (1e-3, 1e-5, 1e-7, 1e-9, 1e-11)  # tolerance of each pass's relative residual, in order
    # An evolution is long if its first pass needs more than this number of slabs, or of unknowns in all its slabs. It
    # is then solved in one pass, with these tolerances by the number of coordinates, and has a network for every few
    # slabs.
    long: int = 30
    long_unknowns: int = 60_000
    long_pass: tuple[float, ...] = (1e-11, 3e-8, 3e-6)
    seen: tuple[int, int] = (8, 3)  # numbers of slabs that predict the numbers of all slabs, and of all unknowns
    lost: float = 0.03  # relative residual of a slab of a long evolution after which nothing can be believed
    vanishing: float = 1e-9  # length of a slab, relative to the time before it, at which a long evolution ends
    # In a long evolution the next slab is like the last one, so that it should be solved at the first attempt: slabs
    # are shorter and knots denser than one slab needs. What a slab leaves is noise in the initial values of the next
    # one, whose stiff part no knots resolve; without space nothing is stiff beyond the polynomials.
    long_in_time: tuple[float, ...] = (1e-2, 5e-4, 5e-4)
    long_margin: float = 10.0
    long_longer: float = 1.5
    in_time: float = 1e-2  # largest last coefficients in time, relative to all, as a share of the pass's tolerance
    first_intervals: tuple[int, ...] = (8, 8, 2, 2)  # initial intervals of each axis, by coordinates
    degree_in_time: tuple[int, ...] = (
        15,
        11,
        9,
        9,
    )  # degree of the polynomials in time, by the number of axes in space

    decaying: int = 2  # added to it if errors decay in time, so that the first slab may be all of time

    growth: float = 2.5  # largest factor on an axis's number of intervals from one attempt to the next
    unresolved: float = 0.03  # relative residual above which derivatives of a solution are too inaccurate to use
    seen_on_shape: float = 0.3  # the same above which a solution on a shape is no guess: its values are fitted there
    denser: float = 1.6  # smallest factor on the number of intervals if the attempt stalled or is unresolved
    more: float = 1.3  # smallest factor on the number of unknowns if they are limited and solved by iteration
    margin: float = 3.0  # finer axes are placed for the tolerance divided by this
    relaxations: int = 60  # largest number of times that this target is doubled because of the limit of unknowns

    gain: float = 0.5  # an attempt, a cut or a pass is progress if the residual is below this share of the earlier one
    # Numbers of attempts without progress after which knots are not refined: in slabs, which can be cut instead, and if
    # Gauss–Newton has not converged, which more knots do not help; else, because a layer is no progress until resolved.
    stalls: tuple[int, int] = (2, 6)
    # A residual that stays above this share of the attempt before, of a solution that changes by less than `same`, is a
    # contradiction of the equation and the conditions: more knots do not lower it.
    unchanged: float = 0.8
    same: float = 1e-2
    between: float = 0.2  # but not if the rows at the march's own points are below this share of the residual elsewhere
    smooth: float = 1e-6  # residual on a shape below which one attempt without progress is enough: it is round-off
    cut_above: float = 3.0  # a slab may be cut, if finer knots do not help, above this multiple of the tolerance
    tries: int = 30  # largest number of attempts at one slab
    negligible: float = 0.1  # a slab is accepted if its share of the pass's residual is below this times the tolerance
    started: float = 2.0  # and only if the first slab has the initial values to this times the tolerance

    # Length of the first slab, as a share of time; it may be long if the problem is linear, as Newton can't fail there.
    first_slab: tuple[float, float] = (0.05, 0.25)
    shortest: float = 1e-11  # smallest length of a slab, as a share of time
    safety: float = 0.9  # factor on the length that the last coefficients in time suggest
    shrink: float = 0.25  # smallest ratio of the next slab's length to an unsolved slab's length
    stretch: float = 1.5  # smallest ratio of the next slab's length to a slab's length if its tail in time is noise
    longer: float = 3.0  # largest ratio of the next slab's length to a slab's length
    worthwhile: float = 2.0  # smallest such ratio on a shape, where slabs of one length have one factor
    few: int = 10  # number of slabs on a shape that cost less than another factor
    longer_known: float = 20.0  # the same if a pass before has solved the part of time
    too_long: float = 2.0  # a slab is shortened if its last coefficients exceed this times the largest allowed ones
    cut: float = 0.5  # factor on the length of a slab that is cut because finer knots do not help
    first_cut: float = 0.1  # the same factor for a pass's first slab, where incompatible data cause a short layer

    iterations: tuple[int, int] = (15, 60)  # largest number of Gauss–Newton steps in one attempt; with constants
    slow: float = 0.99  # the same as `stagnation`, with unknown constants
    stagnation: float = 0.5  # a step stagnates if the loss stays above this share of its previous value
    patience: tuple[int, int] = (2, 6)  # steps before stagnation counts, with an initial guess and without one
    negligible_step: float = 1e-4  # the iteration ends if the next step is expected below this share of the tolerance
    still: float = 1e-10  # and on a shape if the fields move less than this, relative to them

    left: float = 1e-2  # and if Gauss–Newton has left less than this share of the residual, the rest being the space's
    left_of_bad: float = 0.3  # the same if the residual is above `bad` times the tolerance: axes must be refined
    bad: float = 3.0

    damped: float = 1e-12  # damping above which a step's linear model does not show the residual of the space

    inexact: float = 1e-3  # largest share of the residual by which an inexact step misses it

    settled: float = 1e-2  # Gauss–Newton has converged if its last step is below this share of the solution

    continue_within: float = 30.0  # another pass follows only if the residual is within this times the tolerance
    met_within: float = 2.0  # a pass meets a tolerance if the residual is within this times the tolerance
    starts: tuple[float, ...] = (1.0, 0.1, 10.0, 0.01, 100.0)  # factors on the given starts of unknown constants
    fits: float = 1e-2  # another start is tried if the relative misfit of measurements is larger
    same_misfit: float = 1.01  # two starts have led to the same solution if the ratio of their misfits is below this

    # Residual with singular functions below which no pass follows: it is relative to derivatives that are infinite at
    # corners, so the solution has more digits.
    enough: float = 1e-9
    below_noise: float = 1e-2  # no pass follows one whose residual is below this share of the measurements' rows
    checked: int = 16  # smallest number of points along each axis at which a slab's residual is measured

    def of_long(self, dimension: int) -> MarchTolerances:
        """Return the thresholds of a long evolution's only pass."""
        tolerance, in_time = self.long_pass[dimension - 1], self.long_in_time[dimension - 1]
        margin, longer = self.long_margin, self.long_longer
        return replace(self, passes=(tolerance,), in_time=in_time, margin=margin, longer=longer)
