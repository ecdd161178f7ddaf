"""AWS: EC2 instances that run jobs, an S3 bucket that keeps them, CloudWatch logs, prices."""
