"""What a supervised job costs in memory."""
