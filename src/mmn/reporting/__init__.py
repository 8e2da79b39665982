"""What people look at: tables and lines on the terminal."""
