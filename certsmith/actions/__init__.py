"""What each command does once its arguments are read: one file for each file in `certsmith.commands`."""
