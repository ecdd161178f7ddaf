"""What jobs on RunPod cost in calls, and how soon a pod whose work is over stops billing."""
