"""What the statistics warn of, as classes that can be filtered, or raised on.

``warnings.simplefilter("error", WeightWarning)`` stops at the first report whose weights are not
to be trusted; ``warnings.simplefilter("ignore", ChainWarning)`` says nothing about chains.
"""

from rgflow.runtime.package_warnings import PackageWarning


class StatisticsWarning(PackageWarning):
    """An estimate, or its error, is not to be trusted."""


class WeightWarning(StatisticsWarning):
    """The weights of a flow's samples do not let their averages be trusted."""


class FewSamplesWarning(WeightWarning):
    """A few samples have most of the weight, or single ones decide the effective sample size."""


class HeavyTailWarning(WeightWarning):
    """The weights, their squares, or the weights over the target have too heavy a tail."""


class ForwardWarning(WeightWarning):
    """The forward effective sample size contradicts the other: the flow may miss states."""


class ExactValueWarning(StatisticsWarning):
    """Estimates are too many of their errors off values that are known exactly."""


class ChainWarning(StatisticsWarning):
    """Markov chains do not let the error of an average be trusted."""


class ShortChainWarning(ChainWarning):
    """The chains are short in units of their autocorrelation time."""


class StuckChainWarning(ChainWarning):
    """A series along the chains never moved."""
