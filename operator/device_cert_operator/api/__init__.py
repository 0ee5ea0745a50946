"""The resources as users write them: schema, and the way to the core's values and back."""
