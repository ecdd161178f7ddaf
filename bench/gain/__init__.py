"""Each family of models beside a script, on real data: what it gains over guessing."""
