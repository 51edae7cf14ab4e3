"""What runs the contracts against each adapter, and the tests of everything else."""
