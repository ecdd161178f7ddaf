"""What the benches of all clouds share."""
