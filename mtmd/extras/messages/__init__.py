"""What the Prefect server does by itself: messages about a line of models, and slots of dead runs set free."""
