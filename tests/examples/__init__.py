"""The examples and the README's snippets, run as their readers would."""
