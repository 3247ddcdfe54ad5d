"""What an energy can offer, by name, and whether an offer still belongs to the energy."""

from inspect import getattr_static

OBSERVABLES = (
    "abs_m",
    "m2",
    "m4",
    "susceptibility",
    "connected_susceptibility",
    "binder",
    "energy_per_site",
    "specific_heat",
    "correlation_length",
)
"""Names of the rows of a report, of which `exact_observables` gives some."""

OF_TWO_COMPONENTS = ("amplitude", "helicity_modulus")
"""Further rows where the field or the unit vector at a site has two components."""

OFFERS = (
    "force",
    "log_z",
    "spectrum",
    "gaussian",
    "even",
    "translation_invariant",
    "exact_observables",
    "exact_two_point",
    "physical",
    "cluster_hopping",
    "sample",
    "scaled",
)
"""Names of what an energy can offer beside ``event_shape`` and ``energy``."""


def is_outdated(cls: type, name: str) -> bool:
    """Whether a member of a class was written for an energy that the class has overridden since.

    The member comes from the first class in the method resolution order that defines it. It is
    outdated if for that class another energy is the current one: log_z of `GaussianField` in a
    subclass with a quartic term. A mix-in without an energy, or an abstract class, never is.

    Args:
        cls: Any class with ``energy(x)``.
        name: One of `OFFERS`.
    """
    owner = next((base for base in cls.__mro__ if name in vars(base)), None)
    if owner is None:
        return False
    for method in getattr(cls, "law_methods", ("energy",)):
        theirs, ours = (getattr_static(one, method, None) for one in (owner, cls))
        is_abstract = theirs is None or getattr(theirs, "__isabstractmethod__", False)
        if not is_abstract and theirs is not ours:
            return True
    return False
