"""`devicecert.io/v1alpha1`: the types that users write, and the one source of the CRDs and their reference."""
