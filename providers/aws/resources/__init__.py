"""What an account holds for Lastcall beside machines: buckets, roles, security group, log group, budget alarm.

Each is looked at, made, put right and removed alike (``resource``); ``lastcall setup aws`` and ``doctor`` use them.
"""
