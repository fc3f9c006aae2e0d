"""Before PT2E: channels with outliers are scaled down, and weights behind them up."""

from .smooth_outliers import smooth_outliers

__all__ = ["smooth_outliers"]
