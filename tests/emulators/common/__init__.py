"""What emulators share."""
