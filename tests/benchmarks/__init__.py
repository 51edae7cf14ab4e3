"""That the benchmarks run and count right; never how fast anything is."""
