"""Looking into a trained flow: features by scale."""

from rgflow.analysis.mixing import mix, mixing_strip

__all__ = ["mix", "mixing_strip"]
