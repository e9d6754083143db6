//! SMS: the operator's gateway, the clouds, an agency's own platform.
