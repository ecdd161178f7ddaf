"""Emulators of outside services. They run on their own and import none of our rooms."""
