"""Configuration: one model of all settings, the places their values come from, and plain words for what is wrong.

``load`` gives the daemon its settings and says of each where it came from. The command line reads only ``files`` and
``lastcall.paths``, which need nothing but the standard library; this package file stays empty of imports for that.
"""
