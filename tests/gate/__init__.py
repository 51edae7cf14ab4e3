"""Tests of the gate that late writes pass."""
