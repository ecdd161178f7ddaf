"""RunPod, as far as Lastcall sees it: control plane, GraphQL, serverless data plane, volumes over S3, and real pods."""
