"""What a user is told: explain(), warnings, and why an op is not on Vulkan."""
