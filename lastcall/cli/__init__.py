"""The command line. Imports the standard library and click only: it must be there before the user looks up."""
