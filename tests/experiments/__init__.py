"""Experiments as a whole: their statistics, and what people ask of them."""
