"""The domain's rules, each as a property."""
