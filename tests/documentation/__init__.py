"""The pages in docs/ and the README: what they show runs, and what they must name is named."""
