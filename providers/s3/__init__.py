"""A small S3 client over ``providers.transport``: what Lastcall needs of S3, in bounded memory and any kind of time."""
