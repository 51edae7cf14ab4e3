"""Settings, the container, `open`, the command line, import and export."""
