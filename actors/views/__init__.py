"""What people see: read models of jobs and costs, and the documents made of them."""
