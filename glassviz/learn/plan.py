"""How networks are trained: stages and rates of one training, and the presets of the whole two-step procedure."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train one batch of networks.

    Attributes
    ----------
    squared, full : tuple of (length, learning rate)
        Stages of phase 1 (mean squared error) and of phase 2 (full loss); lengths in steps, or in epochs.
    epochs : bool
        Whether lengths are epochs: an epoch takes every structure once at each temperature.
    folds : int
        Number of folds of structures; network n keeps back fold n modulo this.
    decay : float
        Weight of the squared bottleneck weights, grown with the square of a column's length L, in the loss.
    attention, encoder, small : float
        Learning rates of the attention, of the bottleneck's weights and of the small networks MLP1 and MLP2, relative
        to the head's: the columns are much alike, so a step that all their weights take together goes far.
    clip : float
        Largest norm of the gradient that a network follows; a longer one is shortened to it. At 0 there is no limit.
    encode : float
        Factor on the rates of attention, MLP1 and bottleneck in phase 2. At 0 the full loss only reshapes what the
        bottleneck says (spread, clusters), and cannot trade the correlation with the labels for spread.
    absolute : bool
        Whether the full loss has the mean absolute error, as in the paper, or the squared error of phase 1.
    logarithm : bool
        Whether the full loss has the logarithm of the predicted variance over the labels', or, as in the paper, the
        difference over the labels' variance: of a structure that is predicted to vary twice too much that is 1, of one
        that is not predicted to vary at all no more, so that the loss is lowest where most vary too little.
    clusters : float
        Weight of the spatial correlations in the full loss; ½ in the paper.
    fading : float
        Power of ⟨C̄_B⟩ with which that weight falls: at late levels clusters, noisy there, cost correlation.
    means : float
        Weight of a structure's mean propensity in the squared error against that of a particle's deviation from it, at
        early levels. All particles of a structure share one mean, so what is missed there is one number and not a
        thousand.
    late : float
        What is added to that weight towards late levels, times (1 − C)⁴: there structures differ most.
    stretch : float
        How much further from the level, times (1 − C) / √C, training puts the means of structures. A regression
        predicts less than what varies, by the share that it explains, and of the means it explains little, least of the
        late ones: without stretching χ₄ comes out too small.
    consistency : float
        Weight of the mean of the predictions on structures without labels, see `unlabelled.species_means`.
    transferred : float
        Weight of labels that step 1 transferred; simulated ones have 1.
    linear : bool
        Whether networks start from a ridge regression (`start`) instead of at random.
    reach : bool
        Whether the attention of such networks starts as `reach` finds it, or even.
    state : bool
        Whether the state point may change more than the mean of the predictions; not in a single-state GlassMLP.
    states : int
        Levels of ⟨C̄_B⟩ drawn for each step where a network learns several; 0 takes all of a structure.
    averaged : bool
        Whether networks are judged and kept with the mean of their weights since they were last looked at (Polyak and
        Juditsky 1992), or as they are: steps of one structure each leave them where the last structures were.
    """

    squared: tuple = ((800, 1e-3), (1200, 5e-4), (600, 2e-4))
    full: tuple = ((800, 5e-4), (600, 1e-4))
    epochs: bool = False
    folds: int = 4
    decay: float = 1e-3
    attention: float = 1.0
    encoder: float = 0.1
    small: float = 1.0
    clip: float = 3.0
    encode: float = 0.0
    absolute: bool = False
    logarithm: bool = True
    clusters: float = 0.0
    fading: float = 1.0
    means: float = 0.4
    late: float = 0.5
    stretch: float = 1.0
    consistency: float = 1.0
    transferred: float = 0.03
    linear: bool = True
    reach: bool = True
    state: bool = True
    states: int = 4
    averaged: bool = True

    @property
    def steps(self):
        """Length of all stages."""
        return sum(length for length, _ in self.squared + self.full)

    def lasting(self, steps):
        """The same plan with every stage longer or shorter in proportion, about `steps` steps in all."""
        factor = steps / self.steps
        parts = (tuple((max(1, round(n * factor)), rate) for n, rate in part) for part in (self.squared, self.full))
        return replace(self, squared=next(parts), full=next(parts), epochs=False)

    def weight_of_means(self, levels):
        """Weight of a structure's mean in the squared error at levels of ⟨C̄_B⟩."""
        return self.means + self.late * (1 - levels) ** 4

    def of(self, species):
        """The same plan for a species, 0-based.

        Levels are means of species 1: those of others are not stretched. So is the noise of clusters that the full
        loss takes off (`loss.noise_correlations`): others are trained on the squared error and the spread.
        """
        return self if species == 0 else replace(self, stretch=0.0, absolute=False, clusters=0.0)

    def counted(self, batches):
        """The same plan with its lengths in steps, `batches` of which make an epoch."""
        return self.lasting(self.steps * batches) if self.epochs else self

    def rate_of(self, name, phase):
        """Learning rate of a parameter by its name in `architecture.parameter_shapes`, relative to the head's."""
        part = name.split(".")[0]
        rates = {"attention": self.attention, "mlp1": self.small, "mlp2": self.small}
        rate = self.encoder if name == "bottleneck.0.weight" else rates.get(part, 1.0)
        return rate * self.encode if phase == "full" and part in ("attention", "mlp1", "bottleneck") else rate


@dataclass(frozen=True)
class Preset:
    """The two-step procedure: equal-time networks, then networks of all states.

    Attributes
    ----------
    equal_time, final : Plan
    seeds : int
        Networks trained for each level in step 1, and in step 2.
    keep : int
        Networks that pass the selection after step 2.
    consistent : bool
        Whether these are moved onto X̄ = ⟨C̄_B⟩ (`consistency`); the paper keeps those that came there by themselves.
    """

    equal_time: Plan
    final: Plan
    seeds: int = 16
    keep: int = 4
    consistent: bool = False

    def changed(self, seeds=None, steps=None):
        """The same with another number of networks, or of steps in each training."""
        parts = {"seeds": seeds} if seeds is not None else {}
        if steps is not None:
            parts |= {"equal_time": self.equal_time.lasting(steps), "final": self.final.lasting(steps)}
        return replace(self, **parts)


# Table 2 of the paper: 10, 50 and 25 epochs of the squared error, then 50 of the full loss, Glorot's start, one rate.
TABLE_2 = Plan(
    squared=((10, 1e-3), (50, 5e-4), (25, 2e-4)),
    full=((50, 4e-5),),
    epochs=True,
    decay=0.0,
    attention=1.0,
    encoder=1.0,
    clip=0.0,
    encode=1.0,
    absolute=True,
    logarithm=False,
    clusters=0.5,
    fading=0.0,
    means=1.0,
    late=0.0,
    stretch=0.0,
    consistency=0.0,
    linear=False,
    averaged=False,
)

PRESETS = {
    "paper": Preset(TABLE_2, replace(TABLE_2, states=0)),
    "precomputed": Preset(Plan().lasting(2200), replace(Plan(), clusters=0.5), consistent=True),
    "quick": Preset(Plan().lasting(300), Plan().lasting(1000), seeds=4, keep=2),
}
