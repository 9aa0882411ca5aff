"""Client: `barq cli`, to talk with the server in its own commands. command.py begins it."""
