"""What is fetched from other machines, and sent to them. Nothing here knows Luigi."""
