"""What stands in an emulated instance for the operating system's own commands.

These files are copied into each instance and run there by the base interpreter, isolated, with the standard library
only. They tell the emulator what happens to the machine's power through one private file, and nothing else: a machine
never touches the computer it runs on.

Convention. ``MACHINE_ROOT`` is the machine's disk. User-data need not know it: the script's text is changed before it
runs, so that the folders in ``processes.PRIVATE`` and the commands here, named by absolute path, are the machine's own.
What user-data unpacks is not changed: give it its paths as arguments or in the environment, as user-data wrote them.
"""
