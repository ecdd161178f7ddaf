"""Actors: mailboxes, supervision, clock and the seams to the outside."""
