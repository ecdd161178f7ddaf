"""FleetWatch: one listing for all jobs, what changed told to supervisors, orphans ended on every complete listing."""
