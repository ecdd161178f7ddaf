"""AWS as Lastcall sees it: EC2 as a core of its own, the rest by moto behind it."""
