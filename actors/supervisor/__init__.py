"""PodSupervisor: one job from its queueing to the proof that its machine is gone.

``state`` (the fold), ``decide`` (what follows from what), ``pending`` (what is to be done) and ``outcome`` (how it
ended) are pure; ``runner`` makes the calls and appends what was seen; ``actor`` ties them to a mailbox.
"""
