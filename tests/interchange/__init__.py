"""Tests of whole tenants that are exported and imported, on memory and on real servers."""
