"""The admin socket: the HTTP API of a daemon on a Unix socket."""
